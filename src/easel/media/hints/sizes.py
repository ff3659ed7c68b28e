"""How large a hint is: the size at which a picture is looked at, and the one that fits a picture to be drawn.

A resolution is the length of the shorter side in pixels, as in A1111's ControlNet. Knows pixels only.
"""

from __future__ import annotations

from PIL import Image

from easel.core.errors import BadValue
from easel.media.metadata import LARGEST_PICTURE
from easel.media.reading import LONGEST_SIDE
from easel.media.resize import Size

RESOLUTIONS = (8, 4096)  # pixels


def at_resolution(image: Image.Image, resolution: int | None) -> Image.Image:
    """Return a picture with its shorter side at `resolution` pixels, its shape kept; None leaves it untouched.

    Raises BadValue for a resolution outside RESOLUTIONS, and where the longer side would grow beyond all use.
    """
    if resolution is None:
        return image
    size = size_at(image.size, resolution)
    if size == image.size:
        return image
    how = Image.Resampling.BOX if resolution < min(image.size) else Image.Resampling.LANCZOS
    return image.resize(size, how)


def size_at(size: Size, resolution: int) -> Size:
    """Return (width, height) with the shorter side at `resolution` pixels. Raises BadValue as at_resolution() does."""
    least, greatest = RESOLUTIONS
    if isinstance(resolution, bool) or not least <= resolution <= greatest:
        raise BadValue("resolution", resolution, f"{least} to {greatest} pixels")
    scale = resolution / min(size)
    width, height = round(size[0] * scale), round(size[1] * scale)
    if max(width, height) > LONGEST_SIDE or width * height > LARGEST_PICTURE:
        allowed = f"one at which {size[0]}x{size[1]} stays within {LONGEST_SIDE} pixels a side"
        raise BadValue("resolution", resolution, allowed, remedy="choose a smaller one or crop the picture")
    return width, height


def pixel_perfect(size: Size, target: Size, how: str = "crop and resize") -> int:
    """Return the resolution at which a pixel of the hint will be a pixel of the picture to be drawn.

    size, target: (width, height) of the picture that is looked at and of the one to be drawn. how: the resize mode by
    which the hint will be brought there, in the words of media/resize.py; "resize and fill" shows all of it and so
    needs less.
    """
    ratios = target[0] / size[0], target[1] / size[1]
    return round((min(ratios) if how == "resize and fill" else max(ratios)) * min(size))
