"""From a file's tensors to the module's and back, as their places say. Knows no names and no files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise
from typing import Any, TypeVar

from easel.core.errors import Mismatch
from easel.models.layouts.naming import Place

Weight = TypeVar("Weight", bound=Any)  # a Tensor, or a weight in few bits, which gives its rows


def taken_apart(place: Place, weight: Weight) -> Iterator[tuple[str, Weight]]:
    """Yield the module's names and tensors for one of the file's. Raises Mismatch where rows do not come out even."""
    if place.how == "rows":
        bounds = (0, *accumulate(heights_of(place, int(weight.shape[0]))))
        for name, (start, stop) in zip(place.names, pairwise(bounds), strict=True):
            yield name, part_of(weight, start, stop)
    elif place.how == "shared":
        yield from ((name, weight) for name in place.names)
    else:
        change: Any = FORWARD[place.how]
        yield place.names[0], change(weight)


def put_together(place: Place, weights: Mapping[str, Any]) -> Any:
    """Return the file's tensor for those of the module: taken_apart() the other way."""
    if place.how == "rows":
        return stacked([weights[name] for name in place.names])
    change: Any = {**FORWARD, **BACKWARD}[place.how]
    return change(weights[place.names[0]])


def heights_of(place: Place, rows: int) -> tuple[int, ...]:
    """Return how many rows each of the place's tensors has of a file's."""
    count = len(place.names)
    heights = place.heights or (rows // count,) * count
    if sum(heights) != rows:
        raise Mismatch(f"has {rows} rows, needed are {sum(heights) if place.heights else f'a multiple of {count}'}")
    return heights


def part_of(weight: Weight, start: int, stop: int) -> Weight:
    """Return some rows of a weight."""
    return weight.rows(start, stop) if hasattr(weight, "rows") else weight[start:stop]


def plain(weight: Any) -> Any:
    """Return a weight as a tensor, unpacked where it is in few bits."""
    import torch

    return weight.unpacked(torch.float32) if hasattr(weight, "unpacked") else weight


def stacked(weights: list[Any]) -> Any:
    """Return weights one below the other; those in few bits stay so where all are alike."""
    import torch

    if any(hasattr(weight, "rows") for weight in weights):
        from easel.models.files.packed import joined

        return joined(weights)
    return torch.cat(weights)


def swapped(weight: Any) -> Any:
    """Return a weight with the halves of its rows changed: scale and shift."""
    half = int(weight.shape[0]) // 2
    return stacked([part_of(weight, half, 2 * half), part_of(weight, 0, half)])


def flat(weight: Any) -> Any:
    """Return a convolution of 1x1 as a matrix; all else as it is."""
    one = len(weight.shape) == 4 and tuple(weight.shape[2:]) == (1, 1)
    return plain(weight)[:, :, 0, 0] if one else weight


def round_again(weight: Any) -> Any:
    """Return a matrix as a convolution of 1x1; all else as it is."""
    return plain(weight)[:, :, None, None] if len(weight.shape) == 2 else weight


FORWARD = {
    "whole": lambda weight: weight,
    "shared": lambda weight: weight,
    "swapped": swapped,
    "turned": lambda weight: plain(weight).mT.contiguous() if len(weight.shape) == 2 else weight,
    "flat": flat,
}
BACKWARD = {"flat": round_again}
