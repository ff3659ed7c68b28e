"""Masks: read from files, softened, boxed and cut to latent cells, and the pasting that keeps the rest as it was.

A mask is a Pillow image of mode L, white where something is painted. What A1111 does with masks is done here alike.
Knows pixels; does not know requests or models.
"""

from __future__ import annotations

import math

import numpy
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter, ImageOps

from easel.media.resize import Size

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels
Cells = NDArray[numpy.float32]


def mask_of(image: Image.Image, channel: str) -> Image.Image:
    """Return the mask in an RGB or RGBA picture.

    channel: "light" reads brightness, what is transparent being black; "alpha" reads opacity, as drawing layers have
    it.
    """
    if channel == "alpha":
        return image.getchannel("A") if image.mode == "RGBA" else Image.new("L", image.size, 255)
    light = image.convert("L")
    return ImageChops.multiply(light, image.getchannel("A")) if image.mode == "RGBA" else light


def inverted(mask: Image.Image) -> Image.Image:
    """Return the mask with black and white exchanged."""
    return ImageOps.invert(mask)


def is_black(mask: Image.Image) -> bool:
    """Return whether a mask leaves nothing to paint."""
    return mask.getbbox() is None


def blurred(mask: Image.Image, sigma: float) -> Image.Image:
    """Return the mask softened by a Gaussian of `sigma` pixels, cut where A1111 cuts it; 0 leaves it as it is."""
    box = mask.getbbox()
    if sigma <= 0 or box is None:
        return mask
    radius = int(2.5 * sigma + 0.5)
    left, top, right, bottom = widened(box, radius, mask.size)
    weights = numpy.exp(-0.5 * (numpy.arange(-radius, radius + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(numpy.float32)
    whole = numpy.asarray(mask).astype(numpy.float32)
    for axis, (first, last) in ((0, (top, bottom)), (1, (left, right))):
        whole = smoothed(whole, weights, axis, first, last)
    return Image.fromarray(whole.round().clip(0, 255).astype(numpy.uint8))


def smoothed(values: Cells, weights: Cells, axis: int, first: int, last: int) -> Cells:
    """Return (height, width) values, mirrored at their borders, weighed along an axis from `first` to before `last`.

    What lies outside that range must be 0 after the weighing.
    """
    radius = len(weights) // 2
    margins = [(radius, radius) if side == axis else (0, 0) for side in (0, 1)]
    wide = numpy.moveaxis(numpy.pad(values, margins, mode="reflect"), axis, 0)
    out = numpy.zeros_like(numpy.moveaxis(values, axis, 0))
    for place, weight in enumerate(weights):
        out[first:last] += weight * wide[first + place : last + place]
    return numpy.moveaxis(out, 0, axis)


def widened(box: Box, margin: int, size: Size) -> Box:
    """Return a box with `margin` pixels more on each side, within a picture of `size`."""
    left, top, right, bottom = box
    return max(left - margin, 0), max(top - margin, 0), min(right + margin, size[0]), min(bottom + margin, size[1])


def work_box(mask: Image.Image, padding: int, size: Size) -> Box:
    """Return the part of the picture to work on: the masked area with padding, grown to the shape of `size`.

    It keeps within the picture, so that its shape falls short of that of `size` where the picture ends.
    """
    box = mask.getbbox() or (0, 0, *mask.size)
    left, top, right, bottom = widened(box, padding, mask.size)
    width, height = right - left, bottom - top
    if width * size[1] > height * size[0]:
        top, bottom = grown(top, bottom, int(width * size[1] / size[0]), mask.height)
    else:
        left, right = grown(left, right, int(height * size[0] / size[1]), mask.width)
    return left, top, right, bottom


def grown(first: int, last: int, wanted: int, limit: int) -> tuple[int, int]:
    """Return a range grown evenly to `wanted` pixels, moved back within 0..limit, and cut where that is shorter."""
    more = max(wanted - (last - first), 0)
    first, last = first - more // 2, last + more - more // 2
    back = max(last - limit, 0)
    first, last = first - back, last - back
    return max(first, 0), min(last - min(first, 0), limit)


def filled(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Return the picture with what lies under the mask replaced by its surroundings, blurred more the farther they are.

    Layers of the unmasked picture lie one over the other, the widest blur lowest. A layer is as opaque as there is
    picture near a place, and more so when laid several times, as A1111 does.
    """
    keep = ImageOps.invert(mask)
    kept = Image.composite(image, Image.new("RGB", image.size), keep)
    out = numpy.zeros((image.height, image.width, 3), numpy.float32)
    laid = numpy.zeros((image.height, image.width, 1), numpy.float32)
    for radius, times in ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1)):
        blur = ImageFilter.GaussianBlur(radius)
        near = numpy.asarray(keep.filter(blur)).astype(numpy.float32)[..., None] / 255
        colour = numpy.asarray(kept.filter(blur)).astype(numpy.float32) / numpy.maximum(near, 1 / 255)
        opacity = 1 - (1 - near) ** times
        out += (colour - out) * opacity
        laid += (1 - laid) * opacity
    out /= numpy.maximum(laid, 1e-6)
    return Image.composite(Image.fromarray(out.round().clip(0, 255).astype(numpy.uint8)), image, mask)


def cells_of(mask: Image.Image, size: Size, *, rounded: bool) -> Cells:
    """Return the mask over latent cells, (height, width) float32 in 0..1 for `size` (width, height).

    rounded: each cell is painted whole or not at all; a mask too small to fill half of any takes those it touches.
    """
    cells = (numpy.asarray(mask.resize(size, Image.Resampling.BICUBIC)) / 255).astype(numpy.float32)
    if not rounded:
        return cells if cells.any() else touched(mask, size)
    cells = numpy.around(cells)
    return cells if cells.any() else touched(mask, size)


def touched(mask: Image.Image, size: Size) -> Cells:
    """Return 1 for each cell within the box of the mask, 0 elsewhere."""
    cells = numpy.zeros((size[1], size[0]), numpy.float32)
    left, top, right, bottom = mask.getbbox() or (0, 0, 0, 0)
    wide, high = size[0] / mask.width, size[1] / mask.height
    cells[int(top * high) : math.ceil(bottom * high), int(left * wide) : math.ceil(right * wide)] = 1
    return cells


def doubled(mask: Image.Image) -> Image.Image:
    """Return the mask with every level doubled, up to white: the soft edge lies outside what was drawn."""
    return mask.point([min(2 * level, 255) for level in range(256)])


def pasted(picture: Image.Image, new: Image.Image, mask: Image.Image) -> Image.Image:
    """Return `new` over `picture`, all of one size: where the mask is 0 the picture bit for bit, where 255 the new."""
    return Image.composite(new, picture, mask)


def difference(first: Image.Image, second: Image.Image) -> Image.Image:
    """Return a mask, white where two RGB pictures of one size differ at all."""
    levels = numpy.asarray(first.convert("RGB")) != numpy.asarray(second.convert("RGB"))
    return Image.fromarray(numpy.where(levels.any(-1), 255, 0).astype(numpy.uint8))
