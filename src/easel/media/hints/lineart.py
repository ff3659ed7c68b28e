"""Line art by arithmetic, from drawings and line scans: dark ink on light paper becomes white lines on black.

What is darker than its surroundings in every channel is ink; a patch of colour is not. Learned line finders draw lines
where a photograph has none; they need weights.
"""

from __future__ import annotations

import numpy
from PIL import Image

from easel.media.hints.levels import levels_of, picture_of, smoothed
from easel.media.hints.registry import preprocessor

FULL = 75  # of a hundred inked pixels, so many stay below white
LEAST = 32  # levels that ink must stand out by to become white, so that grain stays grey


@preprocessor(
    "lineart",
    "lineart_standard",
    "lineart_standard (from white bg & black line)",
    label="Line art, by arithmetic",
    control="Lineart",
    limits={"sigma": (0.5, 64), "threshold": (0, 128)},
)
def lineart(image: Image.Image, *, sigma: float = 6.0, threshold: float = 8.0) -> Image.Image:
    """Return ink by how much darker it is than the Gaussian mean of `sigma` pixels around it, stretched to white.

    threshold: levels of difference that count as paper.
    """
    levels = levels_of(image)
    ink = (smoothed(levels, sigma) - levels).min(-1)
    inked = ink > threshold
    white = max(float(numpy.percentile(ink[inked], FULL)), LEAST) if inked.any() else LEAST
    return picture_of(numpy.where(inked, ink * (255 / white), 0.0))
