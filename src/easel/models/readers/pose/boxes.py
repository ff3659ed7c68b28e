"""People found by YOLOX (Ge et al. 2021): boxes of the picture's pixels. Arithmetic beside one ONNX file."""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray
from PIL import Image

from easel.core.errors import Mismatch
from easel.models.readers.onnx import Onnx

Array = NDArray[numpy.floating[Any]]

SIDE = 640  # pixels at which it looks where its file leaves that open
GREY = 114  # beside a picture that is not square
STRIDES = (8, 16, 32)
PERSON = 0  # of COCO's kinds
OVERLAP = 0.45  # of two boxes, beyond which they are one person
LEAST_SCORE = 0.3


def people_in(image: Image.Image, network: Onnx) -> Array:
    """Return the boxes of people in an RGB picture, (n, 4): left, top, right, bottom; the likeliest first."""
    sides = network.sides or (SIDE, SIDE)
    scale = min(sides[0] / image.height, sides[1] / image.width)
    size = max(1, int(image.width * scale)), max(1, int(image.height * scale))
    small = image.resize(size, Image.Resampling.BILINEAR)
    seen = numpy.full((*sides, 3), GREY, numpy.float32)
    seen[: small.height, : small.width] = numpy.asarray(small)
    blue_first = seen[..., ::-1].transpose(2, 0, 1)[None]
    found = network.run(blue_first)[0]
    cells, strides = cells_of(sides)
    if found.ndim != 3 or found.shape[1] != len(cells) or found.shape[2] < 6:
        raise Mismatch(f"{network.path}: gives {found.shape}, needed is YOLOX's (1, {len(cells)}, 5 and its kinds).")
    guesses = found[0]
    middles = (guesses[:, :2] + cells) * strides
    halves = numpy.exp(guesses[:, 2:4]) * strides / 2
    boxes = numpy.concatenate([middles - halves, middles + halves], 1) / scale
    scores = guesses[:, 4] * guesses[:, 5 + PERSON]
    likely = scores > LEAST_SCORE
    kept = apart(boxes[likely], scores[likely])
    return boxes[likely][kept]


def cells_of(sides: tuple[int, int]) -> tuple[Array, Array]:
    """Return the x and y of each cell of the three grids, (n, 2), and its pixels a side, (n, 1)."""
    cells: list[Array] = []
    strides: list[Array] = []
    for stride in STRIDES:
        rows, columns = numpy.mgrid[: sides[0] // stride, : sides[1] // stride]
        grid = numpy.stack([columns.ravel(), rows.ravel()], 1).astype(numpy.float32)
        cells.append(grid)
        strides.append(numpy.full((len(grid), 1), stride, numpy.float32))
    return numpy.concatenate(cells), numpy.concatenate(strides)


def apart(boxes: Array, scores: Array) -> list[int]:
    """Return which boxes stay, the likeliest first, when those that overlap a likelier one too much go."""
    kept: list[int] = []
    for place in numpy.argsort(-scores, kind="stable"):
        if all(shared(boxes[place], boxes[other]) <= OVERLAP for other in kept):
            kept.append(int(place))
    return kept


def shared(one: Array, other: Array) -> float:
    """Return the area that two boxes share, as a part of what they cover together."""
    sides = numpy.minimum(one[2:], other[2:]) - numpy.maximum(one[:2], other[:2])
    common = float(numpy.prod(sides.clip(0)))
    whole = float(numpy.prod(one[2:] - one[:2]) + numpy.prod(other[2:] - other[:2])) - common
    return common / whole if whole > 0 else 0.0
