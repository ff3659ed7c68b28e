"""Pictures made larger without a model's help: what /extra-single-image asks for.

Pillow pictures in and out; knows upscalers by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from easel.api.a1111.wire import Extras
from easel.core.errors import BadValue, Unsupported
from easel.media.metadata import LARGEST_PICTURE
from easel.post.upscalers import of_pixels

if TYPE_CHECKING:
    from PIL.Image import Image

FACES = ("gfpgan_visibility", "codeformer_visibility")


def check(wire: Extras) -> None:
    """Raise RequestError for what cannot be honoured, by name."""
    for field in FACES:
        if getattr(wire, field):
            raise Unsupported(f"{field} {getattr(wire, field):g} cannot be honoured; leave it at 0.")
    for name in (wire.upscaler_1, wire.upscaler_2):
        of_pixels(name, "enlarging a picture")


def enlarged(wire: Extras, file: bytes, field: str) -> bytes:
    """Return a picture's file enlarged by the first upscaler, and as visibly as asked for by the second, as PNG.

    Raises BadValue naming `field`, or the size.
    """
    from PIL import Image

    from easel.media.reading import open_image, png_bytes

    image = open_image(file, field)
    size = size_of(wire, image)
    if size[0] * size[1] > LARGEST_PICTURE:
        raise BadValue("upscaling_resize", f"{size[0]}x{size[1]}", f"at most {LARGEST_PICTURE} pixels")
    found = by(wire.upscaler_1, image, size)
    if wire.upscaler_2 != "None" and wire.extras_upscaler_2_visibility > 0:
        found = Image.blend(found, by(wire.upscaler_2, image, size), wire.extras_upscaler_2_visibility)
    if wire.resize_mode == 1 and wire.upscaling_crop:
        found = middle(found, wire.upscaling_resize_w, wire.upscaling_resize_h)
    return png_bytes(found)


def by(name: str, image: Image, size: tuple[int, int]) -> Image:
    """Return a picture at a size by one upscaler; "None" leaves one that has no size to reach as it is."""
    entry = of_pixels(name, "enlarging a picture")
    return image if image.size == size else entry.make(image, *size)


def size_of(wire: Extras, image: Image) -> tuple[int, int]:
    """Return the size to enlarge to: by the factor, or until the picture covers the size asked for."""
    if wire.resize_mode == 0:
        return round(image.width * wire.upscaling_resize), round(image.height * wire.upscaling_resize)
    wide, high = wire.upscaling_resize_w, wire.upscaling_resize_h
    factor = max(wide / image.width, high / image.height)
    return max(wide, round(image.width * factor)), max(high, round(image.height * factor))


def middle(image: Image, width: int, height: int) -> Image:
    """Return the middle of a picture."""
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
