"""Curves learned from forwards: what they cost, and where a machine is full."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.engine.costs import Costs, Curve
from easel.models.gpu.widths import WIDTHS


def taught(start: float, row: float, widths: list[int]) -> Curve:
    """A curve that has seen forwards of these widths, each twice, since the first is not counted."""
    curve = Curve()
    for width in widths:
        curve.observe(width, 100.0)
        curve.observe(width, start + row * width)
    return curve


@given(
    st.floats(0.001, 10),
    st.floats(0.001, 10),
    st.lists(st.sampled_from([1, 2, 4, 8, 16, 32, 64]), min_size=2, unique=True),
)
def test_a_straight_line_is_learned_exactly(start: float, row: float, widths: list[int]) -> None:
    curve = taught(start, row, widths)
    assert curve.line == pytest.approx((start, row), rel=1e-3, abs=1e-6)
    full = curve.full
    assert full / (start + row * full) >= 0.9 / row * (1 - 1e-2)


def test_nothing_known_is_no_limit() -> None:
    assert Curve().full == math.inf
    assert Curve().seconds(8) == 0
    assert taught(1, 1, [4]).full == math.inf
    assert taught(1, 1, [4]).seconds(4) == pytest.approx(5)


def test_one_width_for_long_is_forgotten_to_be_all_there_is() -> None:
    """Or a machine taken for full too early would never be tried wider again."""
    curve = taught(0, 2, [2, 4])
    assert curve.full == 1
    for _ in range(500):
        curve.observe(2, 4.0)
    assert curve.full == math.inf


def test_a_machine_that_is_full_at_once_takes_one_row_at_a_time() -> None:
    assert taught(0, 2, [2, 4, 8]).full == 1


def test_a_machine_that_is_never_full() -> None:
    assert taught(3, 0, [2, 4, 8]).full == math.inf


def test_two_cores_and_small_latents() -> None:
    """Seconds a row fall with the width as measured at 16x16 and at 64x64; 8 rows gain 1.09x at the larger."""
    small, large = Curve(), Curve()
    for width, gain in ((2, 1.0), (4, 1.45), (8, 1.85), (16, 2.15), (32, 2.33)):
        for _ in range(2):
            small.observe(width, width / gain)
    for width, gain in ((2, 1.0), (8, 1.09)):
        for _ in range(2):
            large.observe(width, width / gain)
    assert 20 <= small.full <= 40
    assert large.full <= 3


def test_the_recent_counts_most() -> None:
    curve = taught(1, 1, [2, 8])
    for _ in range(200):
        for width in (2, 8):
            curve.observe(width, 10 + 0.5 * width)
    assert curve.line == pytest.approx((10, 0.5), rel=0.01)


def test_times_that_scatter_do_not_narrow_forwards() -> None:
    """A machine that others use: forwards take up to thrice as long, the narrow ones as it happens most of all."""
    scattered, steady = Curve(), Curve()
    for width, others in ((2, 3.0), (4, 1.0), (2, 1.0), (8, 1.0), (4, 3.0), (8, 1.5), (16, 1.0), (16, 2.5), (2, 1.0)):
        scattered.observe(width, others * (8 + width))
        steady.observe(width, 8.0 + width)
    assert steady.full in (72, 73)  # nine starts to a row, and its rounding
    assert steady.doubt == pytest.approx(0, abs=1e-5)
    assert scattered.full > 2 * math.ceil(9 * scattered.line[0] / scattered.line[1])


def test_room_is_between_one_and_the_most() -> None:
    costs = Costs()
    assert costs.room("k", 64) == 64
    for width in (2, 4):
        for _ in range(2):
            costs.of("k").observe(width, float(width))
    assert costs.room("k", 64) == 1


def learned(start: float, row: float) -> Costs:
    costs = Costs()
    for _ in range(4):
        for width in (1, 2, 4, 8, 16):
            costs.of("k").observe(width, start + row * width)
    return costs


def test_of_widths_the_next_costs_no_more() -> None:
    """Full at 9 or 10 rows; whatever is computed then is 16 wide, so that 16 may come."""
    costs = learned(1.0, 1.0)
    assert costs.room("k", 64) in (9, 10)
    assert costs.room("k", 64, 16, WIDTHS) == 16
    assert costs.room("k", 64, 40, WIDTHS) == 16
    assert costs.room("k", 12, 40, WIDTHS) == 12


def test_a_forward_that_would_be_filled_with_too_little_gives_way_to_a_narrower() -> None:
    dear, cheap = learned(1.0, 1.0), learned(30.0, 1.0)
    assert dear.room("k", 64, 9, WIDTHS) == 8  # 9 rows in 17 seconds together, in 11 apart
    assert cheap.room("k", 64, 9, WIDTHS) == 16  # 9 rows in 46 seconds together, in 69 apart
    assert dear.room("k", 64, 15, WIDTHS) == 16
    assert Costs().room("k", 64, 9, WIDTHS) == 16  # nothing is known, and it is tried
