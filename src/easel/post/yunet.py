"""YuNet's arithmetic: what the network of Wu, Peng and Yu 2023 (MIR) reads and gives, as OpenCV's zoo ships it.

For each stride s a row a cell of s x s pixels, row by row: `cls_s` and `obj_s`, whose geometric mean is the score,
`bbox_s` (centre in cells from the cell's corner, and the logarithm of the sides in cells), `kps_s` (five points
likewise). Knows no picture and no session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
from numpy.typing import NDArray

from easel.post.found import Rows, cells

STRIDES = (8, 16, 32)
NAMES = tuple(f"{word}_{stride}" for word in ("cls", "obj", "bbox", "kps") for stride in STRIDES)


def fits(outputs: Mapping[str, tuple[Any, ...]]) -> bool:
    """Return whether outputs of such names are YuNet's."""
    return outputs.keys() == set(NAMES)


def prepared(pixels: NDArray[numpy.uint8]) -> NDArray[numpy.float32]:
    """Return pixels (height, width, 3) RGB as it reads them: (1, 3, height, width) BGR, 0..255."""
    return numpy.ascontiguousarray(pixels[None, :, :, ::-1].transpose(0, 3, 1, 2), dtype=numpy.float32)


def read(given: Mapping[str, NDArray[numpy.float32]], size: tuple[int, int]) -> Rows:
    """Return everything that the network says of an input of `size` (width, height), rows as found.py's `Rows`."""
    found: list[Rows] = []
    for stride in STRIDES:
        sure, there = (given[f"{word}_{stride}"].reshape(-1).clip(0, 1) for word in ("cls", "obj"))
        boxes, points = given[f"bbox_{stride}"].reshape(-1, 4), given[f"kps_{stride}"].reshape(-1, 10)
        corners = cells(size, stride, len(boxes))
        centres, sides = corners + boxes[:, :2] * stride, numpy.exp(boxes[:, 2:].astype(numpy.float64)) * stride
        places = numpy.tile(corners, 5) + points * stride
        scores = numpy.sqrt(sure * there)[:, None]
        found.append(numpy.concatenate((centres - sides / 2, centres + sides / 2, scores, places), 1))
    return numpy.concatenate(found)
