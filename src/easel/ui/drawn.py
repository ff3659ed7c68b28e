"""What was drawn on the canvas, as parts of a request: the start picture and the mask.

Pictures stay the bytes of their files wherever nothing was drawn into them. Knows no widgets; canvas.js made the value.
"""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass
from typing import Any

from PIL import Image

from easel.core.errors import BadValue
from easel.media.reading import flat, open_image, png_bytes

MODES = ("img2img", "sketch", "inpaint", "inpaint_sketch", "outpaint")
RECIPES = {"inpaint": "inpaint", "inpaint_sketch": "inpaint", "outpaint": "outpaint"}
FIELD = "picture on the canvas"
HEAD = "data:"
COMMA = ";base64,"


@dataclass(frozen=True, slots=True)
class Drawn:
    """Files as the browser gave them. paint: a layer of colours; mask: a layer of which what is opaque is painted."""

    picture: bytes
    paint: bytes | None = None
    mask: bytes | None = None


def read_drawn(value: Any) -> Drawn:
    """Return what a canvas handed over. Raises BadValue where there is no picture or what came is none."""
    if not isinstance(value, dict) or not value.get("picture"):
        raise BadValue(FIELD, None, "a picture", remedy="drop one on the canvas, or choose a file")
    found = {name: file_of(value[name]) for name in ("picture", "paint", "mask") if value.get(name)}
    return Drawn(**found)


def file_of(url: Any, field: str = FIELD) -> bytes:
    """Return the bytes in a data URL. Raises BadValue for anything else, so that no other address is ever opened."""
    head, comma, text = url.partition(COMMA) if isinstance(url, str) else ("", "", "")
    try:
        if head.startswith(HEAD) and comma:
            return base64.b64decode(text, validate=True)
    except binascii.Error:
        pass
    raise BadValue(field, "not a picture's file", "one that the page holds")


def size_of(drawn: Drawn) -> tuple[int, int]:
    """Return the width and height of the picture in pixels, as it is held upright."""
    return open_image(drawn.picture, FIELD).size


def parts_of(drawn: Drawn, mode: str) -> dict[str, dict[str, Any]]:
    """Return the parts of a request that hold pictures: "start", and "mask" where the mode has one.

    A sketch lies on the picture; an inpaint sketch is painted anew wherever a stroke lies. Where no mask was drawn the
    picture's own transparency is it. Raises BadValue for files that are no pictures, and a sketch without strokes.
    """
    if mode == "inpaint":
        own = {"image": drawn.mask, "channel": "alpha"} if drawn.mask else {"image": None}
        return {"start": {"image": drawn.picture}, "mask": own}
    if mode not in ("sketch", "inpaint_sketch"):
        return {"start": {"image": drawn.picture}}
    if drawn.paint is None:
        if mode == "inpaint_sketch":
            raise BadValue("sketch", None, "at least one stroke", remedy="draw where the picture shall change")
        return {"start": {"image": drawn.picture}}
    picture, paint = flat(open_image(drawn.picture, FIELD)), layer(drawn.paint)
    if paint.size != picture.size:
        allowed = f"the picture's size, {picture.width}x{picture.height}"
        raise BadValue("sketch", f"{paint.width}x{paint.height}", allowed)
    sketched = {"start": {"image": png_bytes(over(picture, paint))}}
    if mode == "sketch":
        return sketched
    strokes = paint.getchannel("A").point([0] + [255] * 255)
    return sketched | {"mask": {"image": png_bytes(strokes)}}


def layer(file: bytes) -> Image.Image:
    """Return a layer with its transparency."""
    return open_image(file, "sketch").convert("RGBA")


def over(picture: Image.Image, paint: Image.Image) -> Image.Image:
    """Return an RGB picture with a layer over it; where the layer is clear, bit for bit as it was."""
    return Image.composite(paint.convert("RGB"), picture, paint.getchannel("A"))


def data_url(file: bytes) -> str:
    """Return a picture's file as a data URL, which the canvas can open."""
    with Image.open(io.BytesIO(file)) as image:
        kind = Image.MIME.get(image.format or "", "image/png")
    return f"{HEAD}{kind}{COMMA}{base64.b64encode(file).decode()}"
