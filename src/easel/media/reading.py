"""Pictures that people hand in, opened safely: any common file to 8 bits of RGB or RGBA, the right way up.

Size is read from the header and refused before a pixel is decoded. Knows files; does not know what they are for.
"""

from __future__ import annotations

import io

import numpy
from PIL import Image, ImageOps

from easel.core.errors import BadValue
from easel.media.metadata import BROKEN, LARGEST_PICTURE, reason
from easel.media.transparent import flat as flat

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
LONGEST_SIDE = 16_384  # pixels
WHOLE = "a whole picture in PNG, JPEG, WebP, GIF, BMP or TIFF"

# What Pillow's readers raise, besides, when a file's tables say nonsense; warnings where they are made errors.
NONSENSE = (*BROKEN, ArithmeticError, AttributeError, LookupError, TypeError, RuntimeError, Warning)

DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N")
WITH_ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")


def open_image(data: bytes, field: str) -> Image.Image:
    """Return the picture in a file's bytes, mode RGB, or RGBA where it has transparency; of an animation the first.

    16 bits become 8, palettes and CMYK become RGB, the camera's orientation is applied. Raises BadValue, naming
    `field`, for what is no picture, cut short, or too large; that is known before any pixel is decoded.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            check_size(image, field)
            image.load()
            return eight_bits(upright(image), field)
    except BadValue:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadValue(field, "larger than that", f"at most {LARGEST_PICTURE} pixels") from error
    except Image.UnidentifiedImageError as error:
        raise BadValue(field, "not such a picture", WHOLE) from error
    except NONSENSE as error:
        raise BadValue(field, reason(error), WHOLE) from error


def check_size(image: Image.Image, field: str) -> None:
    """Raise BadValue for a picture whose header says that it is too large."""
    width, height = image.size
    if max(width, height) > LONGEST_SIDE or width * height > LARGEST_PICTURE:
        allowed = f"at most {LONGEST_SIDE} pixels a side and {LARGEST_PICTURE} pixels in all"
        raise BadValue(field, f"{width}x{height}", allowed, remedy="make it smaller first")


def eight_bits(image: Image.Image, field: str) -> Image.Image:
    """Return a decoded picture of any mode as RGB or RGBA."""
    if image.mode == "F":
        raise BadValue(field, "a picture of floating point numbers", "8 or 16 bits a channel")
    if image.mode in DEEP:  # Pillow clips these where it should scale them
        levels = numpy.asarray(image).astype(numpy.float64) / 257
        image = Image.fromarray(levels.round().clip(0, 255).astype(numpy.uint8))
        return image.convert("RGB")
    transparent = image.mode in WITH_ALPHA or "transparency" in image.info
    return image.convert("RGBA" if transparent else "RGB")


def upright(image: Image.Image) -> Image.Image:
    """Return a picture turned as its camera was held; a broken note of that counts as none."""
    try:
        return ImageOps.exif_transpose(image)
    except NONSENSE:
        return image


def png_bytes(image: Image.Image) -> bytes:
    """Return a picture as the bytes of a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
