"""No preprocessor: the picture is a hint already."""

from __future__ import annotations

from PIL import Image

from easel.media.hints.registry import preprocessor


@preprocessor("none", label="None, the picture is a hint already", control="All")
def none(image: Image.Image) -> Image.Image:
    """Return the picture as it is."""
    return image
