"""A picture stirred: its colours and textures stay, its things do not. For models that take a look from it."""

from __future__ import annotations

import math

import numpy
from PIL import Image

from easel.media.hints.levels import Levels, levels_of, picture_of
from easel.media.hints.registry import preprocessor

MARGIN = 2  # knots around the picture, so that the flow is as smooth at its border as within


@preprocessor("shuffle", label="Shuffle", control="Shuffle", limits={"seed": (0, 2**32 - 1), "grain": (16, 4096)})
def shuffle(image: Image.Image, *, seed: int = 0, grain: int = 256) -> Image.Image:
    """Return the picture, each place of it taken from where a smooth random flow leads.

    seed: of the flow. grain: pixels from one swirl to the next. The flow reaches the whole picture and never leaves it.
    """
    random = numpy.random.RandomState(seed)  # the one generator of numpy whose numbers are promised never to change
    width, height = image.size
    columns = flow(random, image.size, grain) * numpy.float32(width - 1)
    rows = flow(random, image.size, grain) * numpy.float32(height - 1)
    return picture_of(sampled(levels_of(image), rows, columns))


def flow(random: numpy.random.RandomState, size: tuple[int, int], grain: int) -> Levels:
    """Return smooth random numbers, (height, width) for `size` (width, height), which span 0..1."""
    wide, high = size[0] / grain, size[1] / grain
    knots = random.random_sample((math.ceil(high) + 2 * MARGIN, math.ceil(wide) + 2 * MARGIN)).astype(numpy.float32)
    within = MARGIN, MARGIN, MARGIN + wide, MARGIN + high
    smooth = numpy.asarray(Image.fromarray(knots).resize(size, Image.Resampling.BICUBIC, within), numpy.float32)
    low, high = smooth.min(), smooth.max()
    return (smooth - low) / max(high - low, numpy.float32(1e-6))


def sampled(levels: Levels, rows: Levels, columns: Levels) -> Levels:
    """Return levels (height, width, 3) at places between pixels, (height, width) each, mixed from the four around."""
    whole_rows, whole_columns = numpy.floor(rows), numpy.floor(columns)
    down, along = (rows - whole_rows)[..., None], (columns - whole_columns)[..., None]
    top, left = whole_rows.astype(numpy.intp), whole_columns.astype(numpy.intp)
    bottom, right = numpy.minimum(top + 1, len(levels) - 1), numpy.minimum(left + 1, levels.shape[1] - 1)
    upper = levels[top, left] + (levels[top, right] - levels[top, left]) * along
    lower = levels[bottom, left] + (levels[bottom, right] - levels[bottom, left]) * along
    return upper + (lower - upper) * down
