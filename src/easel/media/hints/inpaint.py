"""A picture with holes, for inpainting models: what is transparent is to be painted."""

from __future__ import annotations

from PIL import Image

from easel.core.errors import BadValue
from easel.media.hints.registry import preprocessor

HALF = 128


@preprocessor(
    "inpaint",
    "inpaint_only",
    "inpaint_global_harmonious",
    label="Inpaint, transparent places",
    control="Inpaint",
    reads_alpha=True,
)
def inpaint(image: Image.Image) -> Image.Image:
    """Return the picture, RGBA, opaque where it is kept; black and wholly transparent where it is to be painted.

    A pixel less than half opaque is to be painted. Raises BadValue where none is.
    """
    keep = image.getchannel("A").point([0] * HALF + [255] * (256 - HALF))
    if keep.getextrema() == (255, 255):
        raise BadValue("picture", "opaque everywhere", "one with transparent places", remedy="erase what is to be new")
    whole = image.convert("RGB")
    whole.putalpha(255)
    return Image.composite(whole, Image.new("RGBA", image.size), keep)
