"""The picture out of focus, for tile and blur models: they draw it sharp."""

from __future__ import annotations

from PIL import Image

from easel.media.hints.levels import levels_of, picture_of, smoothed
from easel.media.hints.registry import preprocessor


@preprocessor("blur", "blur_gaussian", label="Blur, Gaussian", control="Tile", limits={"sigma": (0.01, 64)})
def blur(image: Image.Image, *, sigma: float = 9.0) -> Image.Image:
    """Return the picture under a Gaussian of `sigma` pixels."""
    return picture_of(smoothed(levels_of(image), sigma))
