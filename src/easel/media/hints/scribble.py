"""A scribble from a picture: white strokes on black, as a pen would draw it.

XDoG: Winnemoeller, Kyprianidis and Olsen, an eXtended difference-of-Gaussians compendium, 2012. Its letters are kept,
but for the threshold, which counts levels of 0..255 downwards.
"""

from __future__ import annotations

import numpy
from PIL import Image

from easel.media.hints.levels import light_of, picture_of, smoothed
from easel.media.hints.registry import preprocessor


@preprocessor(
    "scribble",
    "scribble_xdog",
    label="Scribble, XDoG",
    control="Scribble",
    limits={"sigma": (0.3, 16), "k": (1.1, 16), "tau": (0, 1), "threshold": (-128, 128), "phi": (0.01, 100)},
)
def scribble(
    image: Image.Image,
    *,
    sigma: float = 1.0,
    k: float = 4.0,
    tau: float = 1.0,
    threshold: float = 12.0,
    phi: float = 1.0,
) -> Image.Image:
    """Return 1 - T(G_sigma - tau G_k*sigma) of the light: white where a place is darker than what surrounds it.

    sigma: pixels, the fineness of the pen. k: how much wider the surroundings are. tau: how much they count; below 1
    strokes in bright places thin out. threshold: levels by which a stroke is darker; below 0 dark places fill.
    phi: how sharply strokes end, per level.
    """
    light = light_of(image)
    u = smoothed(light, sigma) - tau * smoothed(light, k * sigma) + threshold
    return picture_of(numpy.where(u >= 0, 0.0, -numpy.tanh(phi * u) * 255))
