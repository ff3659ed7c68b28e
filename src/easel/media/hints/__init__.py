"""Hints for control models, drawn from a picture by arithmetic alone: edges, lines, greys, colours. Needs no weights.

Pictures in, pictures out. Which model reads a hint, when and how strongly, is not known here.
"""

from easel.media.hints import (
    blur,
    canny,
    colour_grid,
    inpaint,
    invert,
    lineart,
    none,
    recolour,
    scribble,
    shuffle,
    softedge,
    threshold,
    tile,
)
from easel.media.hints.registry import Preprocessor, checked_options, hint_of, preprocessors
from easel.media.hints.sizes import at_resolution, pixel_perfect

__all__ = [
    "Preprocessor",
    "at_resolution",
    "checked_options",
    "hint_of",
    "pixel_perfect",
    "preprocessors",
]

registering = (
    canny,
    softedge,
    lineart,
    scribble,
    tile,
    blur,
    recolour,
    shuffle,
    colour_grid,
    threshold,
    invert,
    inpaint,
    none,
)
