"""Hints for control models as pictures: drawn from what leads, and brought to the size of what is drawn.

Pictures in, pictures out; nothing here asks for work or knows models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy
from PIL import Image as Pillow
from PIL.Image import Image

from easel.core.control import Control
from easel.media.hints import pixel_perfect
from easel.media.hints.sizes import RESOLUTIONS
from easel.media.resize import Size
from easel.models.readers import hint_of

Cut = Callable[[Image, str], Sequence[Image]]  # a picture over the whole, and how it is brought there, to its parts

FEW = 64  # colours; hints of so many are enlarged without new ones between them
HALF = 128


def hint_picture(control: Control, image: Image, hole: Image | None, size: Size, readers: Any = None) -> Image:
    """Return what a unit's preprocessor draws of a picture, RGB or RGBA, at `size`.

    hole: L, white where the preprocessor is to see nothing. readers: who keeps the networks that it reads.
    """
    resolution = control.resolution
    if control.pixel_perfect:
        least, greatest = RESOLUTIONS
        resolution = min(max(pixel_perfect(image.size, size, control.resize), least), greatest)
    drawn = hint_of(
        image, control.preprocessor, resolution=resolution, options=control.options, mask=hole, readers=readers
    )
    return brought(drawn, size, control.resize)


def brought(image: Image, size: Size, how: str) -> Image:
    """Return a hint, a reference or a mask at another size, (width, height) in pixels, by one of A1111's resize modes.

    What "resize and fill" leaves free has the colour that is in the middle of those along the edges, as in A1111's
    ControlNet.
    """
    if image.size == size:
        return image
    if how == "just resize":
        return scaled(image, size)
    ratios = size[0] / image.width, size[1] / image.height
    ratio = min(ratios) if how == "resize and fill" else max(ratios)
    inner = scaled(image, (max(round(image.width * ratio), 1), max(round(image.height * ratio), 1)))
    whole = Pillow.new(image.mode, size, edge_colour(inner))
    whole.paste(inner, ((size[0] - inner.width) // 2, (size[1] - inner.height) // 2))
    return whole


def scaled(image: Image, size: Size) -> Image:
    """Return a picture stretched to `size`; one of few colours is enlarged without new ones."""
    larger = size[0] >= image.width and size[1] >= image.height
    few = larger and image.getcolors(FEW) is not None
    return image.resize(size, Pillow.Resampling.NEAREST if few else Pillow.Resampling.LANCZOS)


def edge_colour(image: Image) -> Any:
    """Return the colour in the middle of those along a picture's edges, one number or several."""
    levels = numpy.asarray(image)
    levels = levels.reshape(*levels.shape[:2], -1)
    edges = numpy.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
    colour = [int(level) for level in numpy.median(edges, axis=0)]
    return tuple(colour) if len(colour) > 1 else colour[0]


def hole_of(hint: Image) -> Image | None:
    """Return where a hint shows nothing, L, white there; None where it is whole."""
    if hint.mode != "RGBA":
        return None
    hole = hint.getchannel("A").point([255] * HALF + [0] * (256 - HALF))
    return hole if hole.getextrema() != (0, 0) else None
