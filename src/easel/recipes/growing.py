"""The geometry of outpainting: how much each pass grows, and the canvas it is painted on.

Pictures in, pictures out; nothing here asks for work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL.Image import Image

from easel.core.pictures import Outpaint
from easel.media.masks import filled
from easel.media.resize import Size, padded
from easel.recipes.canvas import Canvas

NEAR = 0.5  # share of the mirrored picture in what stands in new places; the rest is its blurred surroundings


@dataclass(frozen=True, slots=True)
class Margins:
    """Pixels that one pass grows on each side."""

    left: int
    top: int
    right: int
    bottom: int

    def size(self, image: Image) -> Size:
        """Return width and height of an image with these margins."""
        return image.width + self.left + self.right, image.height + self.top + self.bottom


def passes_of(grow: Outpaint, reach: int) -> list[Margins]:
    """Return the margins of each pass, at most `reach` pixels a side; all sides grow at once."""
    wanted = (grow.left, grow.top, grow.right, grow.bottom)
    count = max(math.ceil(side / reach) for side in wanted)
    return [Margins(*(min(max(side - reach * i, 0), reach) for side in wanted)) for i in range(count)]


def grown(image: Image, margins: Margins, feather: int, multiple: int) -> Canvas:
    """Return the canvas of a pass: the RGB picture with mirrored margins, all of them masked.

    The mask runs out over `feather` pixels of the old picture; farther in it is 0. To the right and below the canvas
    is filled up to whole multiples of `multiple` pixels.
    """
    width, height = margins.size(image)
    right, bottom = -width % multiple, -height % multiple
    around = (margins.left, margins.top, margins.right + right, margins.bottom + bottom)
    mirrored = padded(image, *around, "symmetric")
    shape = (image.height, image.width)
    new = padded(Pillow.new("L", image.size), *around, 255)
    mask = padded(ramp(shape, margins, feather), *around, 255)
    working = Pillow.composite(Pillow.blend(filled(mirrored, new), mirrored, NEAR), mirrored, new)
    return Canvas(mirrored, (0, 0, *mirrored.size), working, mask, mask)


def ramp(shape: tuple[int, int], margins: Margins, feather: int) -> Image:
    """Return the mask within the old picture, (height, width): nearly white where a side grows, black `feather` in."""
    rows, columns = numpy.indices(shape)
    near = numpy.full(shape, math.inf)
    for grows, distance in (
        (margins.left, columns),
        (margins.top, rows),
        (margins.right, shape[1] - 1 - columns),
        (margins.bottom, shape[0] - 1 - rows),
    ):
        if grows:
            near = numpy.minimum(near, distance)
    return as_mask(1 - (near + 0.5) / feather if feather else numpy.zeros(shape))


def as_mask(share: NDArray[numpy.float64]) -> Image:
    """Return shares of 1 as levels of a mask."""
    return Pillow.fromarray((share.clip(0, 1) * 255).round().astype(numpy.uint8))
