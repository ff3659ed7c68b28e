"""Labelled grids: where the pictures stand, and that labels never cost one of their pixels."""

from __future__ import annotations

import pytest
from PIL import Image, ImageChops

from easel.core.errors import BadValue
from easel.media.sheets import GAP, labelled, text_width, wrapped

COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]


def cells(side: int = 64) -> list[Image.Image]:
    return [Image.new("RGB", (side, side), colour) for colour in COLOURS]


def places(sheet: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """The box in which `colour` stands."""
    other = (
        ImageChops.difference(sheet, Image.new("RGB", sheet.size, colour)).convert("L").point(lambda v: 255 * (v == 0))
    )
    box = other.getbbox()
    assert box is not None
    return box


def test_every_picture_is_whole_and_in_its_place() -> None:
    sheet = labelled(cells(), ["one", "two"], ["first row", "세로"])
    boxes = [places(sheet, colour) for colour in COLOURS]
    assert all((right - left, low - high) == (64, 64) for left, high, right, low in boxes)
    (a, b, c, _) = boxes
    assert (b[0] - a[0], b[1]) == (64 + GAP, a[1])
    assert (c[1] - a[1], c[0]) == (64 + GAP, a[0])
    assert a[0] > 0
    assert a[1] > 0  # room for the labels


def test_without_labels_there_is_no_margin() -> None:
    assert labelled(cells(), ["", ""], ["", ""]).size == (128 + GAP, 128 + GAP)


def test_smaller_pictures_stand_in_the_middle() -> None:
    sheet = labelled([Image.new("RGB", (32, 32), COLOURS[0]), *cells()[1:2]], ["", ""], [""])
    assert places(sheet, COLOURS[0]) == (16, 16, 48, 48)


def test_labels_wrap_to_their_width() -> None:
    for label in ("a long label of many words", "onelongwordwithoutanyspaceinit", "긴 한국어 이름표를 여러 줄로"):
        lines = wrapped(label, 12, 60)
        assert len(lines) > 1
        assert all(text_width(line, 12) <= 60 for line in lines)
        assert "".join(lines).replace(" ", "") == label.replace(" ", "")


def test_a_word_beside_a_row_stays_whole_where_it_is_no_wider_than_a_cell() -> None:
    side, word = 256, "a silhouette"  # letters of 28 pixels, more than half a cell together
    beside = places(labelled(cells(side), ["", ""], [word, ""]), COLOURS[0])[0]
    assert side // 2 < text_width("silhouette", 28) <= beside - 2 * GAP < text_width(word, 28)
    assert wrapped(word, 28, beside - 3 * GAP) == ["a", "silhouette"]


def test_a_title_stands_above() -> None:
    assert (
        labelled(cells(), ["a", "b"], ["", ""], title="Seed: 1").height > labelled(cells(), ["a", "b"], ["", ""]).height
    )


def test_wrong_counts_and_giants_are_refused() -> None:
    with pytest.raises(BadValue, match="2 x 1"):
        labelled(cells(), ["a", "b"], [""])
    large = Image.new("1", (10_000, 10_000))
    with pytest.raises(BadValue, match="use fewer cells"):
        labelled([large] * 4, ["", ""], ["", ""])
