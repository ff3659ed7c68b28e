"""Something that was found in a picture: where it is, how surely, and its landmarks. A value; finds nothing itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

# What detectors give, (n, 15): left, top, right and bottom edge, the score, and five points x, y; all in pixels.
Rows = NDArray[numpy.float64]
Box = tuple[int, int, int, int]  # left, top, right and bottom edge in pixels; the last two just outside


@dataclass(frozen=True, slots=True)
class Found:
    """A place in a picture.

    box: left, top, right, bottom in pixels, within the picture. score: 0..1, how sure it is.
    points: landmarks (x, y) in pixels; of a face the eyes, the nose and the corners of the mouth, each pair from left
    to right as one looks at it. () where whoever found it tells none.
    """

    box: Box
    score: float
    points: tuple[tuple[float, float], ...] = ()

    @property
    def area(self) -> int:
        """The pixels that its box covers."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


def shared(one: Box, other: Box) -> float:
    """Return which part, 0..1, of what two boxes cover together lies in both (intersection over union)."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    both = max(wide, 0) * max(high, 0)
    either = sum((right - left) * (bottom - top) for left, top, right, bottom in (one, other)) - both
    return both / either if either else 0.0


def distinct(found: Iterable[Found], most_shared: float = 0.3) -> list[Found]:
    """Return the surest of everything that was found several times, the surest first (non-maximum suppression).

    most_shared: the part in common from which two boxes are taken for one thing.
    """
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: -one.score):
        if all(shared(one.box, other.box) <= most_shared for other in kept):
            kept.append(one)
    return kept


def cells(size: tuple[int, int], stride: int, count: int) -> Rows:
    """Return the left upper corners, (count, 2) in pixels, of the cells of an input of `size`, row by row."""
    numbers = numpy.arange(count)
    across = size[0] // stride
    return numpy.stack((numbers % across, numbers // across), 1).astype(numpy.float64) * stride
