"""Edges one pixel wide: white on black. Canny, A Computational Approach to Edge Detection, 1986.

Steepness is |right| + |down| of Sobel's slopes, the measure in which published ControlNets' thresholds of 100 and 200
are meant; these were trained on edges of unsmoothed pictures, hence a `sigma` of 0 where none is given.
"""

from __future__ import annotations

import math

import numpy
from numpy.typing import NDArray
from PIL import Image

from easel.core.errors import BadValue
from easel.media.hints.levels import Levels, levels_of, picture_of, slopes, smoothed
from easel.media.hints.registry import preprocessor

Places = NDArray[numpy.bool_]

STEEPEST = 2040  # both slopes at their greatest
NARROW = math.tan(math.pi / 8)  # slopes within 22.5 degrees of an axis run along it


@preprocessor(
    "canny",
    label="Canny edges",
    control="Canny",
    limits={"low": (0, STEEPEST), "high": (0, STEEPEST), "sigma": (0, 16)},
)
def canny(image: Image.Image, *, low: float = 100.0, high: float = 200.0, sigma: float = 0.0) -> Image.Image:
    """Return edges steeper than `high`, and those steeper than `low` that hang together with them.

    sigma: pixels of smoothing beforehand, against noise and fine texture.
    """
    if low > high:
        raise BadValue("option low of canny", low, f"at most its option high, {high:g}")
    right, down = slopes(smoothed(levels_of(image), sigma))
    steepness = abs(right) + abs(down)
    ridges = crests(steepness, right, down)
    edges = joined(ridges & (steepness > high), ridges & (steepness > low))
    return picture_of(numpy.where(edges, 255.0, 0.0))


def crests(steepness: Levels, right: Levels, down: Levels) -> Places:
    """Return where steepness is greatest across the edge: no less than either neighbour along the slope.

    Of two equal neighbours the one to the right or below counts as less, so that a level ridge stays one pixel wide.
    """
    high, wide = steepness.shape
    around = numpy.pad(steepness, 1)

    def beside(rows: int, columns: int) -> Levels:
        return around[1 + rows : 1 + rows + high, 1 + columns : 1 + columns + wide]

    across = (steepness > beside(0, -1)) & (steepness >= beside(0, 1))
    upright = (steepness > beside(-1, 0)) & (steepness >= beside(1, 0))
    falling = (steepness > beside(-1, -1)) & (steepness > beside(1, 1))
    rising = (steepness > beside(-1, 1)) & (steepness > beside(1, -1))
    slanted = numpy.where((right < 0) == (down < 0), falling, rising)
    flat, steep = abs(down) < NARROW * abs(right), abs(right) < NARROW * abs(down)
    return numpy.select([flat, steep], [across, upright], slanted)


def joined(strong: Places, weak: Places) -> Places:
    """Return the strong places and all weak ones that a path of weak ones, also over corners, joins to them."""
    width = weak.shape[1] + 2
    found, left = numpy.pad(strong, 1).ravel(), numpy.pad(weak & ~strong, 1).ravel()
    around = numpy.array([row * width + column for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column])
    front = numpy.flatnonzero(found)
    while front.size:
        near = (front[:, None] + around).ravel()
        front = numpy.unique(near[left[near]])
        found[front], left[front] = True, False
    return found.reshape(weak.shape[0] + 2, width)[1:-1, 1:-1]
