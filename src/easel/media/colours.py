"""Giving a picture the colours of another: histograms matched in CIE LAB, the picture's own light kept.

Knows pixels only. LAB by the sRGB standard (IEC 61966-2-1) under D65; light and colour are exchanged as the mode
"luminosity" of the W3C's Compositing and Blending does.
"""

from __future__ import annotations

import numpy
from numpy.typing import NDArray
from PIL import Image

Values = NDArray[numpy.float64]

TO_XYZ = numpy.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = TO_XYZ.sum(1)
KNEE = 6 / 29
LIGHT = numpy.array([0.3, 0.59, 0.11])


def matched(image: Image.Image, colours: Image.Image) -> Image.Image:
    """Return an RGB picture with the colours of another, of any size, and its own light: A1111's colour correction."""
    own, target = to_lab(image), to_lab(colours)
    lab = numpy.stack([with_histogram(own[..., i], target[..., i]) for i in range(3)], -1)
    mixed = with_light(from_lab(lab), light_of(numpy.asarray(image) / 255))
    return Image.fromarray((mixed * 255).round().clip(0, 255).astype(numpy.uint8))


def with_histogram(values: Values, target: Values) -> Values:
    """Return values of any shape, each moved to where the target stands at its rank."""
    _, places, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    levels, target_counts = numpy.unique(target, return_counts=True)
    ranks, target_ranks = numpy.cumsum(counts) / values.size, numpy.cumsum(target_counts) / target.size
    return numpy.interp(ranks, target_ranks, levels)[places].reshape(values.shape)


def to_lab(image: Image.Image) -> Values:
    """Return an RGB picture as (height, width, 3): L in 0..100, a and b, to a hundredth."""
    rgb = numpy.asarray(image) / 255
    linear = numpy.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ TO_XYZ.T / WHITE
    f = numpy.where(xyz > KNEE**3, numpy.cbrt(xyz), xyz / (3 * KNEE**2) + 4 / 29)
    x, y, z = numpy.moveaxis(f, -1, 0)
    return numpy.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1).round(2)


def from_lab(lab: Values) -> Values:
    """Return LAB as (height, width, 3) of RGB in 0..1."""
    light, a, b = numpy.moveaxis(lab, -1, 0)
    y = (light + 16) / 116
    f = numpy.stack([y + a / 500, y, y - b / 200], -1)
    xyz = numpy.where(f > KNEE, f**3, 3 * KNEE**2 * (f - 4 / 29)) * WHITE
    linear = (xyz @ numpy.linalg.inv(TO_XYZ).T).clip(0, 1)
    return numpy.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def light_of(rgb: Values) -> Values:
    """Return the light of (height, width, 3) colours in 0..1, as (height, width, 1)."""
    return (rgb @ LIGHT)[..., None]


def with_light(rgb: Values, light: Values) -> Values:
    """Return colours moved to another light, drawn towards grey where they would leave 0..1."""
    moved = rgb + light - light_of(rgb)
    low, high = moved.min(-1, keepdims=True), moved.max(-1, keepdims=True)
    below = numpy.where(low < 0, light / numpy.maximum(light - low, 1e-9), 1)
    above = numpy.where(high > 1, (1 - light) / numpy.maximum(high - light, 1e-9), 1)
    return light + (moved - light) * numpy.minimum(below, above)
