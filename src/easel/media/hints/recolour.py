"""A picture without its colours, for models that colour: its lightness as eyes see it, or its strongest channel."""

from __future__ import annotations

from PIL import Image

from easel.media.colours import to_lab
from easel.media.hints.levels import Levels, levels_of, picture_of
from easel.media.hints.registry import preprocessor

LIMITS = {"gamma": (0.1, 2.0)}


@preprocessor(
    "recolour-luminance", "recolor_luminance", label="Recolour, by luminance", control="Recolor", limits=LIMITS
)
def luminance(image: Image.Image, *, gamma: float = 1.0) -> Image.Image:
    """Return L* of CIE LAB, 0..100 as 0..255, to the power of `gamma`."""
    return picture_of(bent(to_lab(image)[..., 0] / 100, gamma))


@preprocessor(
    "recolour-intensity", "recolor_intensity", label="Recolour, by intensity", control="Recolor", limits=LIMITS
)
def intensity(image: Image.Image, *, gamma: float = 1.0) -> Image.Image:
    """Return the value of HSV, which is the largest of red, green and blue, to the power of `gamma`."""
    return picture_of(bent(levels_of(image).max(-1) / 255, gamma))


def bent(shares: Levels, gamma: float) -> Levels:
    """Return shares of 0..1 to a power, as levels: below 1 the shadows lighten."""
    return shares**gamma * 255
