"""Bringing a picture to another size: A1111's resize modes, with Lanczos.

"latent resize" is not here: there the picture keeps its size and the recipe stretches its latents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy
from PIL import Image

Size = tuple[int, int]
Margin = Literal["edge", "symmetric"]

LANCZOS = Image.Resampling.LANCZOS


def resized(image: Image.Image, size: Size, how: str) -> Image.Image:
    """Return an RGB or L picture at `size`, (width, height) in pixels; one that has it already comes back untouched.

    how: "just resize" stretches, "crop and resize" cuts what overhangs, "resize and fill" shows all of it and fills
    the margins with its outermost rows or columns; "latent resize" stretches, for whoever has no latents.
    """
    return image if image.size == size else MODES[how](image, size)


def just_resize(image: Image.Image, size: Size) -> Image.Image:
    """Return the picture stretched to `size`."""
    return image.resize(size, LANCZOS)


def crop_and_resize(image: Image.Image, size: Size) -> Image.Image:
    """Return the middle of the picture, scaled until it covers `size`."""
    covering = scaled(image, size, max)
    left, top = covering.width // 2 - size[0] // 2, covering.height // 2 - size[1] // 2
    return covering.crop((left, top, left + size[0], top + size[1]))


def resize_and_fill(image: Image.Image, size: Size) -> Image.Image:
    """Return the whole picture, scaled until it fits into `size`, its outermost pixels drawn out to the margins."""
    fitting = scaled(image, size, min)
    left, top = size[0] // 2 - fitting.width // 2, size[1] // 2 - fitting.height // 2
    right, bottom = size[0] - fitting.width - left, size[1] - fitting.height - top
    return padded(fitting, left, top, right, bottom, "edge")


def scaled(image: Image.Image, size: Size, choose: Callable[[float, float], float]) -> Image.Image:
    """Return the picture scaled alike in both directions, by the larger or the smaller of the two ratios."""
    wide, high = size[0] / image.width, size[1] / image.height
    if choose(wide, high) == wide:
        return image.resize((size[0], max(1, image.height * size[0] // image.width)), LANCZOS)
    return image.resize((max(1, image.width * size[1] // image.height), size[1]), LANCZOS)


def padded(image: Image.Image, left: int, top: int, right: int, bottom: int, how: Margin | int) -> Image.Image:
    """Return the picture with margins of so many pixels: its outermost drawn out, mirrored, or a level."""
    margins = [(top, bottom), (left, right), *[(0, 0)] * (len(image.getbands()) > 1)]
    levels = numpy.asarray(image)
    if isinstance(how, int):
        return Image.fromarray(numpy.pad(levels, margins, constant_values=how))
    return Image.fromarray(numpy.pad(levels, margins, mode=how))


MODES: dict[str, Callable[[Image.Image, Size], Image.Image]] = {
    "just resize": just_resize,
    "crop and resize": crop_and_resize,
    "resize and fill": resize_and_fill,
    "latent resize": just_resize,
}
