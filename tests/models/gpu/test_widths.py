"""Widths: what rows are filled up to, and what makes them exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.models.gpu.widths import WIDTHS, filled, portions


@given(st.integers(1, 100))
def test_no_forward_is_filled_up_beyond_the_next_width(rows: int) -> None:
    computed = filled(rows, WIDTHS)
    assert rows <= computed < 2 * rows or rows == computed
    assert filled(computed, WIDTHS) == computed


@given(st.integers(1, 100))
def test_portions_make_exactly_the_rows(rows: int) -> None:
    found = portions(rows, WIDTHS)
    assert sum(found) == rows
    assert set(found) <= set(WIDTHS)
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(
    ("rows", "computed"), [(1, 1), (3, 4), (5, 8), (9, 16), (16, 16), (17, 17), (21, 24), (32, 32)]
)
def test_wide_forwards_are_full_ones_and_one_more(rows: int, computed: int) -> None:
    assert filled(rows, WIDTHS) == computed
    assert filled(rows, ()) == rows
