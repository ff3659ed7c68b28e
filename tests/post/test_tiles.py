"""Tiles that melt into one picture: weights that add up, no seam, the whole and nothing twice."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from easel.post.tiles import OVERLAP, Melting, axis

sides = st.integers(1, 400)


@given(whole=sides, tile=st.integers(0, 200), scale=st.integers(1, 4))
def test_tiles_cover_a_side_and_their_weights_add_up_to_one(whole: int, tile: int, scale: int) -> None:
    found = axis(whole, tile)
    assert (found.starts[0], found.starts[-1] + found.tile) == (0, whole)
    total = numpy.zeros(whole * scale)
    for place, start in enumerate(found.starts):
        total[start * scale : (start + found.tile) * scale] += found.weights(place, scale)
    assert numpy.allclose(total, 1, atol=1e-5)


@given(whole=st.integers(200, 2000))
def test_what_lies_at_a_tiles_inner_edge_does_not_count(whole: int) -> None:
    found = axis(whole, 192)
    for place in range(1, len(found.starts)):
        assert found.starts[place - 1] + found.tile - found.starts[place] >= OVERLAP
        assert not found.weights(place, 1)[: OVERLAP // 3].any()
        assert not found.weights(place - 1, 1)[-OVERLAP // 3 :].any()


@settings(max_examples=25)
@given(width=st.integers(1, 90), height=st.integers(1, 90), tile=st.integers(4, 60), scale=st.integers(1, 3))
def test_tiles_of_a_picture_melt_into_that_picture(width: int, height: int, tile: int, scale: int) -> None:
    picture = numpy.random.default_rng(width).integers(0, 256, (height * scale, width * scale, 3), numpy.uint8)
    columns, rows = axis(width, tile), axis(height, tile)
    melting = Melting(columns, rows, scale)
    for row, top in enumerate(rows.starts):
        for column, left in enumerate(columns.starts):
            cut = picture[top * scale : (top + rows.tile) * scale, left * scale : (left + columns.tile) * scale]
            melting.lay(row, column, (cut / 255).astype(numpy.float32))
    assert numpy.array_equal(melting.whole(), picture)


def test_two_tiles_fade_into_each_other_without_a_seam() -> None:
    columns, rows = axis(96, 64), axis(8, 64)
    melting = Melting(columns, rows, 1)
    for column, level in enumerate((0.2, 0.8)):
        melting.lay(0, column, numpy.full((8, 64, 3), level, numpy.float32))
    line = melting.whole()[0, :, 0].astype(int)
    steps = numpy.diff(line)
    assert (line[0], line[-1]) == (51, 204)
    assert steps.min() >= 0
    assert steps.max() < 40
    assert melting.whole().shape == (8, 96, 3)


def test_no_tile_is_the_whole() -> None:
    assert axis(500, 0).starts == (0,)
    assert axis(64, 64).starts == (0,)
    assert axis(65, 64).starts == (0, 1)
    assert axis(500, 192).weights(0, 1)[0] == pytest.approx(1)
