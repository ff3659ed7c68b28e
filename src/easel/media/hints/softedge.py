"""Soft edges by arithmetic: white on black, brighter the stronger an edge is, wide where a picture is soft.

The slope of the picture under Gaussians of several widths (Marr and Hildreth 1980; Lindeberg 1998), so that outlines
stay and fine texture fades. Learned edge finders (HED, PiDiNet) know more of what is a thing; they need weights.
"""

from __future__ import annotations

import math

import numpy
from PIL import Image

from easel.media.hints.levels import levels_of, picture_of, slopes, smoothed
from easel.media.hints.registry import preprocessor

WIDTHS = (1, 2, 4)
SOBEL = 8  # what Sobel's weights make of a slope of one level a pixel


@preprocessor(
    "softedge",
    label="Soft edges, by arithmetic",
    control="SoftEdge",
    limits={"sigma": (0.5, 16), "gain": (0.1, 16)},
)
def softedge(image: Image.Image, *, sigma: float = 1.0, gain: float = 2.0) -> Image.Image:
    """Return how strong the edges are that show at `sigma`, twice and four times as many pixels.

    A lone step of h levels becomes a line of h times `gain` at its middle, whatever `sigma` is.
    """
    levels = levels_of(image)
    total = numpy.zeros(levels.shape[:2], numpy.float32)
    for width in WIDTHS:
        right, down = slopes(smoothed(levels, sigma * width))
        total += numpy.hypot(right, down) * (sigma * width * math.sqrt(2 * math.pi) / SOBEL)
    return picture_of(total * (gain / len(WIDTHS)))
