"""Regions: what is kept, in which order, and where they end up; laws first."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from easel.core.detail import Detail
from easel.post.found import Found
from easel.post.regions import Region, apart, boxed, connected, grown, in_map, overlapping, to_work_on

SIZE = (64, 48)


def at(box: tuple[int, int, int, int], score: float = 0.5) -> Region:
    return boxed(Found(box, score), SIZE)


def worked(regions: list[Region], **fields: Any) -> list[tuple[int, int, int, int]]:
    detail = Detail(find="x", **{"grow": 0, "confidence": 0.0, **fields})
    return [one.box for one in to_work_on(detail, regions, SIZE)]


SMALL, LARGE, RIGHT = at((2, 2, 8, 8), 0.9), at((20, 10, 44, 34), 0.4), at((50, 20, 60, 30), 0.6)
ALL = [LARGE, SMALL, RIGHT]

boxes = st.tuples(st.integers(0, 60), st.integers(0, 44), st.integers(1, 20), st.integers(1, 20)).map(
    lambda box: (box[0], box[1], min(box[0] + box[2], 64), min(box[1] + box[3], 48))
)


@given(box=boxes, pixels=st.integers(-9, 9))
def test_growing_moves_each_edge_by_half(box: tuple[int, int, int, int], pixels: int) -> None:
    """As OpenCV's square does it: of an even number the odd pixel goes to the right and below."""
    mask = at(box).mask
    found = grown(mask, pixels).getbbox()
    side = abs(pixels)
    if side < 2:
        assert found == box
    elif pixels > 0:
        after, before = side // 2, side - 1 - side // 2
        left, top, right, bottom = box
        expected = (max(left - before, 0), max(top - before, 0), min(right + after, 64), min(bottom + after, 48))
        assert found == expected
    else:
        assert found is None or overlapping(found, box)
        assert (numpy.asarray(grown(mask, pixels)) <= numpy.asarray(mask)).all()


@given(st.lists(boxes, max_size=12))
def test_rounds_hold_each_box_once_and_in_order(places: list[tuple[int, int, int, int]]) -> None:
    rounds = apart(places)
    assert sorted(place for one in rounds for place in one) == list(range(len(places)))
    number = {place: n for n, one in enumerate(rounds) for place in one}
    for first in range(len(places)):
        for second in range(first + 1, len(places)):
            if overlapping(places[first], places[second]):
                assert number[first] < number[second]


@given(st.integers(0, 2**30))
def test_parts_are_whole_apart_and_all(seed: int) -> None:
    places = numpy.random.default_rng(seed).random((7, 9)) > 0.5
    parts = connected(places)
    assert (sum(parts, numpy.zeros((7, 9), int)) == places).all()
    for part in parts:
        wide = numpy.pad(part, 1)
        near = wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
        assert not (near & places & ~part).any(), "whatever touches it is in it"


@pytest.mark.parametrize(
    "order, first",
    [("confidence", [SMALL, RIGHT, LARGE]), ("area", [LARGE, RIGHT, SMALL])],
)
def test_order_by_what_was_found(order: str, first: list[Region]) -> None:
    assert worked(ALL, order=order) == [one.box for one in first]


def test_order_by_place() -> None:
    assert worked(ALL, order="left to right") == [SMALL.box, LARGE.box, RIGHT.box]
    assert worked(ALL, order="centre") == [LARGE.box, RIGHT.box, SMALL.box]


def test_sifted_by_score_share_and_number() -> None:
    assert worked(ALL, confidence=0.5) == [SMALL.box, RIGHT.box]
    assert worked(ALL, least=0.05) == [LARGE.box]
    assert worked(ALL, greatest=0.05) == [SMALL.box, RIGHT.box]
    assert worked(ALL, most=1, order="area") == [LARGE.box]
    assert worked(ALL, most=2, least=0.02) == [RIGHT.box, LARGE.box], "counted after the sifting"


def test_moved_to_the_right_and_up_and_out() -> None:
    assert worked([LARGE], move_x=5, move_y=4) == [(25, 6, 49, 30)]
    assert worked(ALL, move_x=-10) == [(40, 20, 50, 30), (10, 10, 34, 34)], "what has left the picture is none"


def test_shrunk_to_nothing_is_none() -> None:
    assert worked(ALL, grow=-12) == [(26, 16, 39, 29)]


def test_joined() -> None:
    assert worked(ALL, merge="merge") == [(2, 2, 60, 34)]
    (inverse,) = to_work_on(Detail(find="x", grow=0, confidence=0.0, merge="invert"), ALL, SIZE)
    assert inverse.box == (0, 0, 64, 48)
    assert numpy.asarray(inverse.mask)[20, 30] == 0 and numpy.asarray(inverse.mask)[20, 47] == 255
    assert worked([], merge="invert") == [], "nothing found is nothing to invert"


def test_a_map_shows_what_stands_out() -> None:
    values = numpy.zeros((6, 8), numpy.float32)
    values[1:3, 1:3] = 2.0
    values[4, 6] = 1.0
    first, second = in_map(values, SIZE, 0.3)
    assert first.score == 1.0 and second.score == 0.5
    assert numpy.abs(numpy.array(first.box) - (8, 8, 24, 24)).max() <= 5
    assert numpy.abs(numpy.array(second.box) - (48, 32, 56, 40)).max() <= 5
    assert len(in_map(values, SIZE, 0.6)) == 1
    assert in_map(numpy.zeros((6, 8), numpy.float32), SIZE, 0.3) == []


def test_what_a_region_encloses_belongs_to_it() -> None:
    values = numpy.zeros((7, 7), numpy.float32)
    values[1:6, 1:6] = 1.0
    values[3, 3] = 0.0
    (ring,) = in_map(values, (70, 70), 0.5)
    assert numpy.asarray(ring.mask)[20:50, 20:50].min() == 255
    values[3, 3:] = 0.0  # a way leads out
    (open_ring,) = in_map(values, (70, 70), 0.5)
    assert numpy.asarray(open_ring.mask)[35, 35] == 0


def test_a_flat_map_is_all_of_the_picture() -> None:
    (region,) = in_map(numpy.ones((6, 8), numpy.float32), SIZE, 0.3)
    assert region.mask.tobytes() == Image.new("L", SIZE, 255).tobytes()
