"""A picture as a coarse grid of its colours, for colour adapters (T2I-Adapter)."""

from __future__ import annotations

import numpy
from PIL import Image

from easel.media.hints.levels import levels_of, picture_of
from easel.media.hints.registry import preprocessor


@preprocessor(
    "colour-grid", "t2ia_color_grid", "color", label="Colour grid", control="T2I-Adapter", limits={"cell": (8, 256)}
)
def colour_grid(image: Image.Image, *, cell: int = 64) -> Image.Image:
    """Return squares of `cell` pixels from the upper left corner, each in its mean colour; the last ones may be cut."""
    levels = levels_of(image).astype(numpy.float64)
    height, width = levels.shape[:2]
    rows, columns = numpy.arange(0, height, cell), numpy.arange(0, width, cell)
    totals = numpy.add.reduceat(numpy.add.reduceat(levels, rows, 0), columns, 1)
    high, wide = numpy.diff(rows, append=height), numpy.diff(columns, append=width)
    means = totals / (high[:, None] * wide)[..., None]
    return picture_of(means.repeat(high, 0).repeat(wide, 1))
