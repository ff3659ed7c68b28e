"""Colour strokes: read from a small JSON text and drawn on a picture or on blank paper.

    [{"points": [[20, 100], [64, 30], [108, 100]], "colour": "orange", "width": 12}, ...]

Later strokes lie over earlier ones; a stroke of one point is a dot. Knows pictures; does not know what they are for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from PIL import Image, ImageColor, ImageDraw
from pydantic import Field

from easel.core.errors import BadValue
from easel.core.limits import MAX_SIDE
from easel.core.values import Value
from easel.media.resize import Size

Colour = tuple[int, int, int]

MOST_STROKES = 10_000
MOST_POINTS = 100_000  # of all strokes together
FORM = 'a JSON list of strokes such as {"points": [[8, 8], [60, 40]], "colour": "red", "width": 6}'

Place = Annotated[float, Field(ge=-MAX_SIDE, le=2 * MAX_SIDE)]


class Stroke(Value):
    """One stroke of a round brush.

    points: (x, y) in pixels from the upper left corner, joined by straight lines. colour: a name of CSS, #rrggbb or the
    like. width: pixels, 1..1024.
    """

    spoken: ClassVar[str] = "stroke."

    points: list[tuple[Place, Place]] = Field(min_length=1)
    colour: str = Field(default="black", max_length=64)
    width: float = Field(default=8.0, ge=1, le=1024)


def read_strokes(text: str, field: str = "strokes") -> tuple[Stroke, ...]:
    """Return the strokes of a JSON text. Raises BadValue naming `field`, the stroke's number from 1, and its part."""
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadValue(field, text, FORM, remedy=" ".join(str(error).split())) from None
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_STROKES:
        raise BadValue(field, found, f"{FORM}; 1 to {MOST_STROKES} of them")
    strokes = tuple(stroke_of(one, f"{field}, stroke {place + 1}") for place, one in enumerate(found))
    points = sum(len(stroke.points) for stroke in strokes)
    if points > MOST_POINTS:
        raise BadValue(field, f"{points} points", f"at most {MOST_POINTS}")
    return strokes


def stroke_of(found: Any, field: str) -> Stroke:
    """Return one stroke of a JSON value; `field` says which it is."""
    if not isinstance(found, dict):
        raise BadValue(field, found, "an object with points, colour and width")
    try:
        stroke = Stroke.model_validate(found)
        colour_of(stroke)
    except BadValue as error:
        part = error.field.removeprefix(Stroke.spoken)
        raise BadValue(f"{field}: {part}", error.got, error.allowed, remedy=error.remedy) from None
    return stroke


def colour_of(stroke: Stroke) -> Colour:
    """Return a stroke's colour; raises BadValue for one that nobody knows."""
    return paper_colour(stroke.colour, "stroke.colour")


def paper_colour(colour: str, field: str) -> Colour:
    """Return a named colour as red, green, blue in 0..255; raises BadValue, naming `field`."""
    try:
        return ImageColor.getrgb(colour)[:3]
    except ValueError:
        raise BadValue(field, colour, "a colour such as red, #ff8800 or rgb(255, 136, 0)") from None


def drawn(strokes: Sequence[Stroke], image: Image.Image) -> Image.Image:
    """Return an RGB picture with the strokes over it, without soft edges, so that what they cover is exact."""
    made = image.convert("RGB") if image.mode != "RGB" else image.copy()
    pen = ImageDraw.Draw(made)
    for stroke in strokes:
        colour, half = colour_of(stroke), stroke.width / 2
        if len(stroke.points) > 1:
            pen.line(stroke.points, fill=colour, width=max(1, round(stroke.width)), joint="curve")
        for x, y in stroke.points if stroke.width < 3 else (stroke.points[0], stroke.points[-1]):
            pen.ellipse((x - half, y - half, x + half, y + half), fill=colour)
    return made


def blank(size: Size, colour: Colour = (255, 255, 255)) -> Image.Image:
    """Return blank paper of (width, height) pixels."""
    return Image.new("RGB", size, colour)
