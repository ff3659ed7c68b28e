"""Colours spread from where they are known to where they are not: pushed up a pyramid and pulled down again.

Gortler et al., The Lumigraph, 1996. Knows pixels only.
"""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray
from PIL import Image

Values = NDArray[numpy.floating[Any]]


def spread(colours: Values, weights: Values) -> Values:
    """Return colours (height, width, n) as they are where their weight is 1, elsewhere filled from those around.

    weights: (height, width) in 0..1; with none at all, the colours come back as they are.
    """
    if weights.min() >= 1 or not weights.any():
        return colours
    if max(weights.shape) <= 2:
        total = weights.sum()
        mean = (colours * weights[..., None]).sum((0, 1)) / total
        return weights[..., None] * colours + (1 - weights[..., None]) * mean
    sums = halved(weights[..., None])
    coarse = halved(colours * weights[..., None]) / numpy.maximum(sums, 1e-9)
    filled = spread(coarse, numpy.minimum(sums[..., 0], 1))
    around = stretched(filled, weights.shape)
    return weights[..., None] * colours + (1 - weights[..., None]) * around


def halved(values: Values) -> Values:
    """Return the sums of squares of two by two; a side that is odd is drawn out by nothing."""
    high, wide = values.shape[:2]
    even = numpy.pad(values, ((0, high % 2), (0, wide % 2), (0, 0)))
    return even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]


def stretched(values: Values, shape: tuple[int, ...]) -> Values:
    """Return values at twice their sides, less what was drawn out, smoothly."""
    high, wide = shape[:2]
    size = 2 * values.shape[1], 2 * values.shape[0]
    channels = numpy.moveaxis(numpy.ascontiguousarray(values, numpy.float32), -1, 0)
    larger = [numpy.asarray(Image.fromarray(one).resize(size, Image.Resampling.BILINEAR)) for one in channels]
    return numpy.stack(larger, -1)[:high, :wide]
