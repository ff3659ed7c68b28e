"""Bodies, hands and faces as points, and OpenPose's JSON of them, read and written. Knows no pixels.

A body has OpenPose's 18 points (COCO's 17 and the neck), a hand 21, a face 70, of which the last two are the eyes.
Points are in the picture's pixels; one that was not found is None.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from easel.core.errors import BadValue

Point = tuple[float, float] | None
Points = tuple[Point, ...]

BODY, HAND, FACE = 18, 21, 70
FROM_25 = (*range(8), *range(9, 19))  # OpenPose's newer body, without its middle of the hips and its feet
LEAST_FACE = 68  # points that files of other programs have
LARGEST_SIDE = 16_384  # pixels
KEYS = {
    "body": ("pose_keypoints_2d", (BODY, 25)),
    "face": ("face_keypoints_2d", (FACE, LEAST_FACE)),
    "left_hand": ("hand_left_keypoints_2d", (HAND,)),
    "right_hand": ("hand_right_keypoints_2d", (HAND,)),
}
WANTED = (
    'OpenPose\'s JSON: {"people": [{"pose_keypoints_2d": [x, y, score, ...]}], "canvas_width": W, "canvas_height": H}'
)


@dataclass(frozen=True, slots=True)
class Person:
    """One person's points; () for a part that nobody looked for."""

    body: Points = ()
    face: Points = ()
    left_hand: Points = ()
    right_hand: Points = ()


@dataclass(frozen=True, slots=True)
class Poses:
    """The people of a picture of so many pixels."""

    people: tuple[Person, ...]
    width: int
    height: int


def to_json(poses: Poses) -> dict[str, Any]:
    """Return OpenPose's JSON of a picture's people."""
    people = [{key: flat(getattr(person, part)) for part, (key, _) in KEYS.items()} for person in poses.people]
    return {"people": people, "canvas_width": poses.width, "canvas_height": poses.height}


def flat(points: Points) -> list[float]:
    """Return points as x, y, score one after the other; those not found as zeros."""
    return [number for point in points for number in ((*point, 1.0) if point else (0.0, 0.0, 0.0))]


def read_json_text(text: str, field: str = "JSON") -> Poses:
    """Return the people of OpenPose's JSON in a text. Raises BadValue naming `field`."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise BadValue(field, text, WANTED) from None
    return read_told(told, field)


def read_told(told: Any, field: str = "JSON") -> Poses:
    """Return the people of OpenPose's JSON as an object; a list of such takes the first. Raises BadValue.

    Places may be in pixels, or all of them in shares of the canvas, 0..1.
    """
    if isinstance(told, list) and told:
        told = told[0]
    if not isinstance(told, Mapping) or not isinstance(told.get("people"), Sequence):
        raise BadValue(field, told, WANTED)
    width, height = (side_of(told.get(name), f"{field}.{name}") for name in ("canvas_width", "canvas_height"))
    found = [read_person(person, f"{field}.people[{place}]") for place, person in enumerate(told["people"])]
    places = [point for person in found for part in KEYS for point in getattr(person, part) if point]
    if places and all(0 <= x <= 1 and 0 <= y <= 1 for x, y in places):
        found = [scaled(person, width, height) for person in found]
    return Poses(tuple(found), width, height)


def side_of(value: Any, field: str) -> int:
    """Return a side of the canvas in pixels. Raises BadValue."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= LARGEST_SIDE:
        return round(value)
    raise BadValue(field, value, f"1 to {LARGEST_SIDE} pixels")


def read_person(told: Any, field: str) -> Person:
    """Return one person of OpenPose's JSON; what is left out or empty is not there. Raises BadValue."""
    if not isinstance(told, Mapping):
        raise BadValue(field, told, "an object with pose_keypoints_2d")
    parts = {part: read_points(told.get(key), counts, f"{field}.{key}") for part, (key, counts) in KEYS.items()}
    if len(parts["body"]) == 25:
        parts["body"] = tuple(parts["body"][place] for place in FROM_25)
    return Person(**parts)


def read_points(told: Any, counts: tuple[int, ...], field: str) -> Points:
    """Return points from x, y, score one after the other; a score of 0 is a point not found. Raises BadValue."""
    if told is None or told == []:
        return ()
    numbers = [one for one in told if isinstance(one, int | float) and abs(one) < 1e6] if isinstance(told, list) else []
    if not isinstance(told, list) or len(numbers) != len(told) or len(told) not in [3 * count for count in counts]:
        size = len(told) if isinstance(told, list) else told
        raise BadValue(
            field, size, f"{' or '.join(str(3 * count) for count in counts)} numbers: x, y and score of each point"
        )
    triples = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    return tuple((float(x), float(y)) if score > 0 else None for x, y, score in triples)


def scaled(person: Person, across: float, down: float) -> Person:
    """Return a person with all places stretched."""
    stretched = {
        part: tuple((point[0] * across, point[1] * down) if point else None for point in getattr(person, part))
        for part in KEYS
    }
    return Person(**stretched)


def resized(poses: Poses, width: int, height: int) -> Poses:
    """Return the people of a picture stretched to another size."""
    across, down = width / poses.width, height / poses.height
    return Poses(tuple(scaled(person, across, down) for person in poses.people), width, height)
