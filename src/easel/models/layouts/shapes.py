"""Asking a list of tensors' shapes: is it there, has it so many dimensions, how many of these are there.

Names are without the part's own beginning, and so are errors; who reads the file adds both. Knows no tensors.
"""

from __future__ import annotations

from collections.abc import Mapping

from easel.core.errors import Incomplete, Mismatch

Shapes = Mapping[str, tuple[int, ...]]


def shape(shapes: Shapes, key: str, rank: int) -> tuple[int, ...]:
    """Return the shape of a tensor; raises Incomplete where it is missing, Mismatch where it has other dimensions."""
    if key not in shapes:
        raise Incomplete(f"{key!r} is missing")
    found = shapes[key]
    if len(found) != rank or min(found, default=0) < 1:
        raise Mismatch(f"{key!r} is {found}, needed is a tensor of {rank} dimensions")
    return found


def count(shapes: Shapes, stem: str) -> int:
    """Return how many numbered parts stand under a name: stem0., stem1., ..."""
    return len({key[len(stem) :].split(".", 1)[0] for key in shapes if key.startswith(stem)})


def channels(shapes: Shapes, *keys: str) -> int:
    """Return how many numbers a layer reads at each place, by the first of its weights that is there, else 0."""
    found = next((shapes[key] for key in keys if key in shapes), ())
    return found[1] if len(found) > 1 else 0
