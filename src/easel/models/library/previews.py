"""The small picture beside a model's file, where A1111, Forge and Civitai's helpers put it.

Knows where it may stand, and neither opens nor shows it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from easel.models.library.kinds import PICTURES

LARGEST = 32 * 2**20  # bytes of a file that is given or opened for it
MARKS = ("", ".preview", ".thumb")  # between a model's name and the picture's ending
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")


def preview_of(path: Path) -> Path | None:
    """Return the picture that shows what a model makes, None where none stands beside it.

    An embedding that is a picture itself shows itself.
    """
    if path.suffix.lower() in PICTURES:
        return path
    return next((place for place in places_for(path) if os.path.isfile(place)), None)


def places_for(path: Path) -> Iterator[Path]:
    """Yield where the picture of a file or a diffusers folder may stand, the likeliest first."""
    inside = path.is_dir()
    stem = path.name if inside else path.stem
    for mark in reversed(MARKS):
        for ending in ENDINGS:
            yield path.with_name(f"{stem}{mark}{ending}")
            if inside and mark:
                yield path / f"{mark.removeprefix('.')}{ending}"
