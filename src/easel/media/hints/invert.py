"""The negative: black lines on white paper as the white lines on black that line models know."""

from __future__ import annotations

from PIL import Image, ImageChops

from easel.media.hints.registry import preprocessor


@preprocessor("invert", "invert (from white bg & black line)", label="Invert", control="Lineart")
def invert(image: Image.Image) -> Image.Image:
    """Return the picture with every channel turned about."""
    return ImageChops.invert(image)
