"""Frontal faces by the Haar cascades that OpenCV's package brings, so that no file has to be fetched.

Viola and Jones 2001 (CVPR), Lienhart and Maydt 2002 (ICIP). A cascade says of each place and size whether it passes,
and by how much; places near one another that pass vote together, and their sum is how sure a face is. cv2 is imported
here alone, when cascades are loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from easel.core.errors import Incomplete, ResourceError
from easel.post.alignment import TEMPLATE, Point, Similarity
from easel.post.found import Box, Rows, shared

FACE, EYE = "haarcascade_frontalface_alt2.xml", "haarcascade_eye.xml"
LEAST = 0.5  # the score below which something is no face
HALF_SURE = 8.0  # the votes at which the score is a half: faces of photographs have 8 to 50, what is none has up to 6
LEAST_FACE = 20  # pixels, the side of the window that the cascade of faces was made for
GROWTH = 1.1  # from one size at which places are looked at to the next
TOGETHER = 0.3  # the part in common from which two places vote for one thing

EYES = ((0.29, 0.38), (0.71, 0.38))  # where eyes are in the box of a face, in its sides
CLOSE = 192  # pixels of a face's side when its eyes are looked for
EYES_END = 0.6  # the part of a face's height, from the top, in which its eyes are
LEAST_EYE, GREATEST_EYE = 0.12, 0.4  # an eye's side in those of its face
APART = (0.28, 0.6)  # how far eyes are from each other, in a face's sides
SLANT = 0.45  # how much lower one eye may be than the other, in their distance

Levels = NDArray[numpy.uint8]
Elected = tuple[float, Box]


@dataclass(frozen=True, slots=True, eq=False)
class Cascade:
    """A loaded cascade. passing: the sum at which its last stage lets something pass."""

    model: Any
    passing: float

    def elected(self, grey: Levels, sides: tuple[int, int]) -> list[Elected]:
        """Return the votes for each place of grey pixels, and the middle of its boxes, the most voted for first.

        sides: pixels of the smallest and the largest square that is looked at. Boxes whose common part is large vote
        together, each with what it passed by. The same pixels always give the same.
        """
        least, most = sides
        squares, _, sums = self.model.detectMultiScale3(
            grey, GROWTH, 0, 0, (least, least), (most, most), outputRejectLevels=True
        )
        votes = [(float(one) - self.passing, *map(int, square)) for one, square in zip(sums, squares, strict=True)]
        left = [(vote, (x, y, x + wide, y + high)) for vote, x, y, wide, high in sorted(votes, reverse=True)]
        found: list[Elected] = []
        while left:
            near = [shared(left[0][1], box) > TOGETHER for _, box in left]
            own = [one for one, is_near in zip(left, near, strict=True) if is_near]
            left = [one for one, is_near in zip(left, near, strict=True) if not is_near]
            x0, y0, x1, y1 = numpy.rint(numpy.mean([box for _, box in own], 0)).astype(int).tolist()
            found.append((sum(vote for vote, _ in own), (x0, y0, x1, y1)))
        return sorted(found, reverse=True)


def cascade_file() -> Path | None:
    """Return where the package keeps its cascade of faces, None where there is none; imports nothing of it."""
    spec = find_spec("cv2")
    places = spec.submodule_search_locations if spec else None
    found = [Path(place) / "data" / FACE for place in places or ()]
    return next((file for file in found if file.is_file()), None)


def load(path: Path) -> Callable[[Levels], Rows]:
    """Return what finds faces by the cascade in a file and by that of eyes beside it.

    Raises ResourceError without OpenCV, Incomplete where a file is no cascade.
    """
    try:
        import cv2
    except ImportError as error:
        raise ResourceError(
            f"finding faces by {path.name} needs OpenCV; `pip install 'easel[faces]'` brings it."
        ) from error
    cascades: list[Cascade] = []
    for file in (path, path.with_name(EYE)):
        model: Any = cv2.CascadeClassifier()
        try:
            text = file.read_text(encoding="utf-8")
            model.load(str(file))
        except (OSError, UnicodeDecodeError, cv2.error) as error:
            raise Incomplete(f"{file}: is no cascade that can be read; install OpenCV's package again.") from error
        cascades.append(Cascade(model, float(text.rpartition("<stageThreshold>")[2].partition("<")[0])))
    faces, eyes = cascades
    return lambda pixels: told(faces, eyes, pixels)


def told(faces: Cascade, eyes: Cascade, pixels: Levels) -> Rows:
    """Return everything that cascades say of pixels (height, width, 3) RGB, rows as found.py's `Rows`."""
    import cv2

    grey: Any = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    rows: list[list[float]] = []
    for votes, box in faces.elected(grey, (LEAST_FACE, max(grey.shape))):
        score = 1 - 2 ** (-votes / HALF_SURE)
        seen = eyes_in(eyes, grey, box) if score >= LEAST / 2 else None
        rows.append([*box, score, *(value for point in landmarks(seen or usual_eyes(box)) for value in point)])
    return numpy.array(rows, numpy.float64).reshape(-1, 15)


def eyes_in(eyes: Cascade, grey: Levels, box: Box) -> tuple[Point, Point] | None:
    """Return the middles of the two eyes of a face, the left of the picture first, None where they are not seen."""
    import cv2

    left, top, right, bottom = box
    side = right - left
    upper = grey[top : top + round((bottom - top) * EYES_END), left:right]
    grown = CLOSE / side
    size = CLOSE, max(1, round(upper.shape[0] * grown))
    close: Any = cv2.resize(upper, size, interpolation=cv2.INTER_CUBIC if grown > 1 else cv2.INTER_AREA)
    elected = eyes.elected(close, (round(LEAST_EYE * CLOSE), round(GREATEST_EYE * CLOSE)))
    middles = [((x0 + x1) / 2 / CLOSE, (y0 + y1) / 2 / CLOSE) for _, (x0, y0, x1, y1) in elected]
    one = next((middle for middle in middles if middle[0] < 0.5), None)
    other = next((middle for middle in middles if middle[0] >= 0.5), None)
    if one is None or other is None or not are_eyes(one, other):
        return None
    return (left + one[0] * side, top + one[1] * side), (left + other[0] * side, top + other[1] * side)


def are_eyes(one: Point, other: Point) -> bool:
    """Return whether two points, in a face's sides, lie as eyes do: so far apart, and about as high."""
    wide, high = other[0] - one[0], abs(other[1] - one[1])
    return APART[0] <= wide <= APART[1] and high <= SLANT * wide


def usual_eyes(box: Box) -> tuple[Point, Point]:
    """Return where the eyes of an upright face usually are in its box."""
    left, top, right, bottom = box
    one, other = ((left + x * (right - left), top + y * (bottom - top)) for x, y in EYES)
    return one, other


def landmarks(eyes: tuple[Point, Point]) -> list[Point]:
    """Return the five landmarks of a face with these eyes, where the template of restorers has them."""
    (one, other), (first, second) = (tuple(complex(*point) for point in pair) for pair in (eyes, TEMPLATE[:2]))
    turn = (other - one) / (second - first)
    there = Similarity(turn, one - turn * first)
    return [there.at(point) for point in TEMPLATE]
