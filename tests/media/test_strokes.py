"""Strokes: what is drawn, and what is refused by name."""

from __future__ import annotations

import json

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.errors import BadValue
from easel.media.strokes import blank, drawn, read_strokes

LINE = {"points": [[4, 8], [28, 8]], "colour": "red", "width": 4}


def test_strokes_are_drawn_in_order() -> None:
    strokes = read_strokes(json.dumps([LINE, {"points": [[16, 8]], "colour": "#00f", "width": 6}]))
    levels = numpy.asarray(drawn(strokes, blank((32, 16))))
    assert levels[8, 6].tolist() == [255, 0, 0]
    assert levels[8, 16].tolist() == [0, 0, 255]
    assert levels[0, 0].tolist() == [255, 255, 255]
    assert {tuple(colour) for colour in levels.reshape(-1, 3).tolist()} == {(255, 0, 0), (0, 0, 255), (255,) * 3}


def test_the_picture_drawn_on_is_left_alone() -> None:
    paper = blank((32, 16), (9, 9, 9))
    drawn(read_strokes(json.dumps([LINE])), paper)
    assert (numpy.asarray(paper) == 9).all()


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("", "strokes", "JSON list"),
        ("[", "strokes", "JSON list"),
        ("{}", "strokes", "JSON list"),
        ("[]", "strokes", "JSON list"),
        ("[3]", "strokes, stroke 1", "an object"),
        (json.dumps([LINE, {**LINE, "width": 0}]), "strokes, stroke 2: width", "at least 1"),
        (json.dumps([{**LINE, "colour": "redd"}]), "strokes, stroke 1: colour", "a colour such as red"),
        (json.dumps([{**LINE, "points": []}]), "strokes, stroke 1: points", "at least"),
        (json.dumps([{**LINE, "points": [[1]]}]), "strokes, stroke 1: points.0.1", ""),
        (json.dumps([{**LINE, "points": [[1, 1e9]]}]), "strokes, stroke 1: points.0.1", "at most"),
        ("[" * 100_000, "strokes", "JSON list"),
    ],
)
def test_what_is_wrong_is_named(text: str, field: str, words: str) -> None:
    with pytest.raises(BadValue) as caught:
        read_strokes(text)
    assert caught.value.field == field
    assert words in str(caught.value) and "\n" not in str(caught.value)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "points": st.lists(st.tuples(st.floats(-4096, 8192), st.floats(-4096, 8192)), min_size=1, max_size=5),
                "width": st.floats(1, 1024),
            }
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_strokes_can_be_drawn(strokes: list[object]) -> None:
    assert drawn(read_strokes(json.dumps(strokes)), blank((24, 16))).size == (24, 16)
