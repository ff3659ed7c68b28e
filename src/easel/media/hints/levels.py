"""Pixels as numbers and back, and the two operations that edge finders share: smoothing and slopes.

Levels are floats in 0..255, (height, width) or (height, width, channels).
"""

from __future__ import annotations

import math
from typing import Any

import numpy
from numpy.typing import NDArray
from PIL import Image

Levels = NDArray[numpy.floating[Any]]

LIGHT = numpy.array([0.299, 0.587, 0.114], numpy.float32)  # ITU-R BT.601, as Pillow's mode L


def levels_of(image: Image.Image) -> Levels:
    """Return an RGB picture as (height, width, 3) levels."""
    return numpy.asarray(image, numpy.float32)


def light_of(image: Image.Image) -> Levels:
    """Return the light of an RGB picture as (height, width) levels, without rounding."""
    return levels_of(image) @ LIGHT


def picture_of(levels: Levels) -> Image.Image:
    """Return levels, rounded and held within 0..255, as an RGB picture; (height, width) becomes grey."""
    whole = levels.round().clip(0, 255).astype(numpy.uint8)
    return Image.fromarray(whole).convert("RGB")


def smoothed(levels: Levels, sigma: float) -> Levels:
    """Return levels weighed by a Gaussian of `sigma` pixels, cut at three of them; 0 leaves them alone.

    What lies beyond the border is mirrored.
    """
    radius = math.ceil(3 * sigma)
    if radius == 0:
        return levels
    weights = numpy.exp(-0.5 * (numpy.arange(radius + 1) / sigma) ** 2)
    weights /= weights[0] + 2 * weights[1:].sum()
    for axis in (0, 1):
        levels = weighed(levels, weights.astype(numpy.float32), axis)
    return levels


def weighed(levels: Levels, weights: Levels, axis: int) -> Levels:
    """Return each level's sum with those 0, 1, 2 ... places away to both sides along an axis, by these weights."""
    radius, length = len(weights) - 1, levels.shape[axis]
    margins = [(radius, radius) if side == axis else (0, 0) for side in range(levels.ndim)]
    wide = numpy.moveaxis(numpy.pad(levels, margins, mode="reflect"), axis, 0)
    total = weights[0] * wide[radius : radius + length]
    for away in range(1, radius + 1):
        before, after = radius - away, radius + away
        total += weights[away] * (wide[before : before + length] + wide[after : after + length])
    return numpy.moveaxis(total, 0, axis)


def slopes(levels: Levels) -> tuple[Levels, Levels]:
    """Return Sobel's slopes to the right and downwards of the channel that is steepest, each (height, width).

    levels: (height, width, channels), their outermost drawn out beyond the border. A step of height h between two
    columns makes 4 h beside it.
    """
    wide = numpy.pad(levels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    column = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    row = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    right, down = column[:, 2:] - column[:, :-2], row[2:] - row[:-2]
    steepest = (abs(right) + abs(down)).argmax(-1)[..., None]
    return (
        numpy.take_along_axis(right, steepest, -1)[..., 0],
        numpy.take_along_axis(down, steepest, -1)[..., 0],
    )
