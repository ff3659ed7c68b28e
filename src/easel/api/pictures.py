"""Pictures as they travel in JSON: base64, bare or as a data URI; and a kept file in the format that a client wants.

Addresses are never fetched here (api/addresses.py may have fetched them before). Opens no picture unless it must change
its format.
"""

from __future__ import annotations

import base64
import binascii
import io
import re

from easel.core.errors import BadValue
from easel.core.limits import MAX_FILE

DATA_URI = re.compile(r"data:[\w.+/-]{0,100}(?:;[\w=.+-]{1,100}){0,4},")
NO_ADDRESS = "addresses are not fetched without `easel serve --allow-urls`"
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,20}://", re.IGNORECASE)


def file_in(text: str, field: str) -> bytes:
    """Return the bytes of a picture's file that a text holds. Raises BadValue, naming `field`."""
    if ADDRESS.match(text):
        raise BadValue(field, text, "the picture itself in base64", remedy=NO_ADDRESS)
    if len(text) > MAX_FILE * 4 // 3 + 200:
        raise BadValue(field, f"{len(text)} characters", f"at most {MAX_FILE // 2**20} MiB")
    head = DATA_URI.match(text)
    letters = text[head.end() :] if head else text
    try:
        data = base64.b64decode("".join(letters.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadValue(field, text[:20], "a picture in base64, bare or as a data URI") from None
    if not data:
        raise BadValue(field, "nothing", "a picture in base64, bare or as a data URI")
    return data


def text_of(data: bytes) -> str:
    """Return a file's bytes as base64."""
    return base64.b64encode(data).decode()


def data_uri(data: bytes, media_type: str) -> str:
    """Return a file's bytes as a data URI."""
    return f"data:{media_type};base64,{text_of(data)}"


def as_format(file: bytes, infotext: str, format: str, quality: int) -> bytes:
    """Return a kept file in another format, or as it is where that is its format and it says `infotext` already.

    Raises UnknownName for a format, BadValue where it cannot hold the picture.
    """
    from PIL import Image

    from easel.media.metadata import encode, format_named, infotext_of

    kind = format_named(format)
    with Image.open(io.BytesIO(file)) as image:
        if image.format == kind.pillow and (infotext_of(image) or "") == infotext:
            return file
        image.load()
        return encode(image, infotext, format=format, quality=quality)
