"""Black and white, without grey: for line and scribble models, from clean drawings."""

from __future__ import annotations

import numpy
from PIL import Image

from easel.media.hints.levels import light_of, picture_of
from easel.media.hints.registry import preprocessor


@preprocessor("threshold", label="Threshold", control="Scribble", limits={"level": (0, 255)})
def threshold(image: Image.Image, *, level: float = 127.0) -> Image.Image:
    """Return white where the light is above `level`, black elsewhere."""
    return picture_of(numpy.where(light_of(image) > level, 255.0, 0.0))
