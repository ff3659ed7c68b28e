"""SCRFD's arithmetic: what the networks of Guo et al. 2021 (arXiv 2105.04714) read and give, as InsightFace ships them.

Nine outputs in order: scores, distances and points for the strides 8, 16 and 32, two rows a cell. Distances are those
of the four edges from the cell's corner, in cells; points lie likewise. Knows no picture and no session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
from numpy.typing import NDArray

from easel.post.found import Rows, cells

STRIDES = (8, 16, 32)
WIDTHS = (1, 4, 10)  # of scores, distances and points
ANCHORS = 2  # rows a cell
MEAN, SPREAD = 127.5, 128.0


def fits(outputs: Mapping[str, tuple[Any, ...]]) -> bool:
    """Return whether outputs of such shapes are SCRFD's with landmarks."""
    return [shape[-1] if shape else None for shape in outputs.values()] == [w for w in WIDTHS for _ in STRIDES]


def prepared(pixels: NDArray[numpy.uint8]) -> NDArray[numpy.float32]:
    """Return pixels (height, width, 3) RGB as it reads them: (1, 3, height, width) RGB, about -1..1."""
    return numpy.ascontiguousarray(((pixels.astype(numpy.float32) - MEAN) / SPREAD).transpose(2, 0, 1)[None])


def read(given: Mapping[str, NDArray[numpy.float32]], size: tuple[int, int]) -> Rows:
    """Return everything that the network says of an input of `size` (width, height), rows as found.py's `Rows`."""
    rows = [one.reshape(-1, width) for one, width in zip(given.values(), numpy.repeat(WIDTHS, 3), strict=True)]
    found: list[Rows] = []
    for stride, scores, edges, points in zip(STRIDES, rows[:3], rows[3:6], rows[6:], strict=True):
        corners = numpy.repeat(cells(size, stride, len(scores) // ANCHORS), ANCHORS, axis=0)
        boxes = numpy.concatenate((corners - edges[:, :2] * stride, corners + edges[:, 2:] * stride), 1)
        places = numpy.tile(corners, 5) + points * stride
        found.append(numpy.concatenate((boxes, scores, places), 1).astype(numpy.float64))
    return numpy.concatenate(found)
