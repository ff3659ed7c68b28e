"""The 133 points of a person's body, feet, face and hands by DWPose (Yang et al. 2023), as OpenPose orders them.

The network says of every point how likely each column and each row is (SimCC, Li et al. 2022), at twice the resolution
of what it sees.
"""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray
from PIL import Image

from easel.core.errors import Mismatch
from easel.models.readers.onnx import Onnx
from easel.models.readers.pose.people import Person, Points, Poses

Array = NDArray[numpy.floating[Any]]

SIDES = (384, 288)  # height and width at which it looks where its file leaves that open
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
ROOM = 1.25  # of a person's box, with what is around
FINER = 2  # places a pixel
POINTS = 133
# Where OpenPose's body points stand among COCO's; the neck is the middle of the shoulders.
NECK = -1
FROM_COCO = (0, NECK, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
SHOULDERS = (5, 6)
FACE, LEFT_HAND, RIGHT_HAND = slice(23, 91), slice(91, 112), slice(112, 133)
EYES = (2, 1)  # right and left, which end OpenPose's faces


def poses_of(image: Image.Image, boxes: Array, network: Onnx, score: float) -> Poses:
    """Return the people in boxes of an RGB picture; points less likely than `score`, 0..1, count as not found."""
    people = tuple(person_of(*points_in(image, box, network), score) for box in boxes)
    return Poses(people, *image.size)


def points_in(image: Image.Image, box: Array, network: Onnx) -> tuple[Array, Array]:
    """Return the places of 133 points in the picture's pixels, (133, 2), and how likely each is, (133,)."""
    high, wide = network.sides or SIDES
    left, top, width, height = seen_at(box, wide / high)
    seen = image.transform(
        (wide, high), Image.Transform.EXTENT, (left, top, left + width, top + height), Image.Resampling.BILINEAR
    )
    levels = (numpy.asarray(seen, numpy.float32) - MEAN) / DEVIATION
    found = network.run(levels.transpose(2, 0, 1)[None].astype(numpy.float32))
    if len(found) < 2 or any(one.ndim != 3 or one.shape[1] != POINTS for one in found[:2]):
        shapes = ", ".join(str(one.shape) for one in found)
        raise Mismatch(f"{network.path}: gives {shapes}, needed are DWPose's columns and rows of {POINTS} points.")
    columns, rows = found[0][0], found[1][0]
    places = numpy.stack([columns.argmax(-1), rows.argmax(-1)], -1).astype(numpy.float32)
    share = places / FINER / numpy.array([wide, high], numpy.float32)
    return share * (width, height) + (left, top), numpy.minimum(columns.max(-1), rows.max(-1))


def seen_at(box: Array, shape: float) -> tuple[float, float, float, float]:
    """Return left, top, width and height of what is looked at round a box; shape: width by height."""
    width, height = (float(side) * ROOM for side in box[2:] - box[:2])
    width, height = max(width, height * shape), max(height, width / shape)
    middle_x, middle_y = (float(place) for place in (box[:2] + box[2:]) / 2)
    return middle_x - width / 2, middle_y - height / 2, width, height


def person_of(places: Array, scores: Array, score: float) -> Person:
    """Return a person from 133 points in COCO's order."""
    sure = scores >= score

    def at(place: int) -> tuple[float, float] | None:
        if place == NECK:
            both = [places[shoulder] for shoulder in SHOULDERS if sure[shoulder]]
            return pair(numpy.mean(both, 0)) if len(both) == 2 else None
        return pair(places[place]) if sure[place] else None

    def part(which: slice) -> Points:
        return tuple(at(place) for place in range(which.start, which.stop))

    body = tuple(at(place) for place in FROM_COCO)
    face = (*part(FACE), *(at(eye) for eye in EYES))
    return Person(body, face, part(LEFT_HAND), part(RIGHT_HAND))


def pair(place: Array) -> tuple[float, float]:
    """Return a place as two numbers."""
    return float(place[0]), float(place[1])
