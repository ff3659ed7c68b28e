"""The geometry of working in tiles: where they lie, and how what is made of them melts into one picture.

A tile sees more than it gives. Where two lie over each other, the outer part of either is left out, since a network
knew little of what is beyond; only in the middle does one fade into the other. So the result is the whole picture's
wherever a network looks no further than what is left out. Numbers in, numbers out; knows no network and no picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy
from numpy.typing import NDArray

Floats = NDArray[numpy.float32]
Levels = NDArray[numpy.uint8]

OVERLAP = 32  # pixels that neighbours have in common at least,
SHARE = 4  # but never more than this part of a tile
FADING = 4  # the part of what they have in common in which one fades into the other


@dataclass(frozen=True, slots=True)
class Axis:
    """Tiles along one side. starts: where each begins; tile: how long each is; whole: how long all are together."""

    starts: tuple[int, ...]
    tile: int
    whole: int

    def weights(self, place: int, scale: int) -> Floats:
        """Return how much tile number `place` counts along itself, 0..1, at `scale` times its size.

        The weights of all tiles add up to 1 everywhere.
        """
        found = numpy.ones(self.tile * scale, numpy.float64)
        places = numpy.arange(self.tile * scale) + 0.5
        if place:
            middle, fading = self.seam(place, scale)
            found *= ((places - (middle - self.starts[place] * scale)) / fading + 0.5).clip(0, 1)
        if place + 1 < len(self.starts):
            middle, fading = self.seam(place + 1, scale)
            found *= ((middle - self.starts[place] * scale - places) / fading + 0.5).clip(0, 1)
        return found.astype(numpy.float32)

    def seam(self, place: int, scale: int) -> tuple[float, float]:
        """Return the middle of what a tile shares with the one before it, and over how much it fades in there."""
        begins, ends = self.starts[place], self.starts[place - 1] + self.tile
        return (begins + ends) / 2 * scale, max((ends - begins) * scale / FADING, 1.0)


def axis(whole: int, tile: int) -> Axis:
    """Return tiles of at most `tile` pixels that cover a side evenly; one where the side is no longer, or tile is 0."""
    if not tile or whole <= tile:
        return Axis((0,), whole, whole)
    overlap = min(OVERLAP, tile // SHARE)
    count = math.ceil((whole - overlap) / (tile - overlap))
    return Axis(tuple(place * (whole - tile) // (count - 1) for place in range(count)), tile, whole)


@dataclass(slots=True)
class Melting:
    """A picture that comes about tile by tile, row by row, at `scale` times the size of what the tiles were cut from.

    Only the current row of tiles is held in full numbers, (height of a tile, width, channels); what is done is rounded.
    """

    columns: Axis
    rows: Axis
    scale: int
    done: list[Levels] = field(default_factory=list[Levels])
    band: Floats | None = None
    begins: int = 0  # where the band begins, in pixels of the result

    def lay(self, row: int, column: int, made: Floats) -> None:
        """Lay what was made of one tile, (height, width, channels) in 0..1; rows come in order."""
        scale = self.scale
        top = self.rows.starts[row] * scale
        band = self.at(top, made.shape[0], made.shape[2])
        left = self.columns.starts[column] * scale
        weights = numpy.outer(self.rows.weights(row, scale), self.columns.weights(column, scale))
        band[:, left : left + made.shape[1]] += made * weights[..., None]

    def at(self, top: int, height: int, channels: int) -> Floats:
        """Return the band that begins at `top`; what lies above is done, what lies within stays."""
        if self.band is None:
            self.band = numpy.zeros((height, self.columns.whole * self.scale, channels), numpy.float32)
        elif top > self.begins:
            passed = top - self.begins
            self.done.append(levels(self.band[:passed]))
            self.band[: height - passed] = self.band[passed:].copy()
            self.band[height - passed :] = 0
        self.begins = top
        return self.band

    def whole(self) -> Levels:
        """Return the picture, (height, width, channels), when all tiles were laid."""
        last: Sequence[Levels] = () if self.band is None else (levels(self.band),)
        return numpy.concatenate([*self.done, *last])


def levels(values: Floats) -> Levels:
    """Return numbers in 0..1 as the nearest of 256 levels; values outside are clipped."""
    return numpy.rint(values.clip(0, 1) * 255).astype(numpy.uint8)
