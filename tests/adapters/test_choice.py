"""The rule that merges or wears by rows, over sequences of what runs."""

from __future__ import annotations

from collections.abc import Sequence

import hypothesis.strategies as st
import pytest
from hypothesis import given

from easel.adapters.choice import Choice, Costs, Wearing, choose, costs_of

COSTS = Costs(switch=2.0, extra=0.1)
MERGED, BY_ROWS, BARE = "merged", "by rows", "bare"


def word(choice: Choice) -> str:
    """Return what is chosen, in a word."""
    return BY_ROWS if choice.by_rows else BARE if choice.merged is None else MERGED


@pytest.mark.parametrize(
    ("merged", "rows", "chosen"),
    [
        (None, [], BARE),
        (None, [(None, 20)], BARE),
        ("a", [(None, 20)], BARE),
        (None, [("a", 30)], BY_ROWS),  # 3 saved, 4 paid
        (None, [("a", 41)], MERGED),
        (None, [("a", 30), ("a", 30)], MERGED),
        ("a", [("a", 1)], MERGED),  # already there
        ("a", [("a", 1), ("b", 100)], BY_ROWS),
        ("a", [("a", 100), (None, 1)], BY_ROWS),
        ("a", [("b", 100)], MERGED),
    ],
)
def test_one_choice(merged: Wearing, rows: Sequence[tuple[Wearing, int]], chosen: str) -> None:
    assert word(choose(merged, rows, COSTS)) == chosen


def test_a_small_model_merges_for_few_steps_and_a_large_one_does_not() -> None:
    """Four steps of one picture: the starter's U-Net, all its layers; Stable Diffusion 1.5's, its attention."""
    small, large = costs_of(83, 10_600_000), costs_of(256, 860_000_000)
    assert word(choose(None, [("a", 4)], small)) == MERGED
    assert word(choose(None, [("a", 4)], large)) == BY_ROWS
    assert word(choose(None, [("a", 20)], large)) == MERGED


def run(groups: Sequence[Sequence[Wearing]], forwards: int) -> tuple[list[str], float]:
    """Return what is chosen step by step as groups of equal requests come one after another, and what it cost."""
    merged: Wearing = None
    told, cost = [], 0.0
    for group in groups:
        for left in range(forwards, 0, -1):
            choice = choose(merged, [(wearing, left) for wearing in group], COSTS)
            cost += COSTS.switch * ((merged is not None) + (choice.merged is not None)) * (choice.merged != merged)
            cost += COSTS.extra * sum(wearing is not None for wearing in group) * choice.by_rows
            merged = choice.merged
            told.append(word(choice))
    return told, cost


def test_a_long_run_is_merged_once_and_stays() -> None:
    told, cost = run([["a"]] * 5, 50)
    assert set(told) == {MERGED} and cost == COSTS.switch


def test_short_runs_of_many_never_switch() -> None:
    told, cost = run([["a"], ["b"], ["c"]] * 3, 20)
    assert set(told) == {BY_ROWS} and cost == pytest.approx(COSTS.extra * 9 * 20)


def test_company_with_another_goes_by_rows_and_back() -> None:
    told, _ = run([["a", "a"], ["a", "b"], ["a", "a"]], 40)
    assert told == [MERGED] * 40 + [BY_ROWS] * 40 + [MERGED] * 40


names = st.sampled_from([None, "a", "b", "c"])


@given(names, st.lists(st.tuples(names, st.integers(1, 200)), max_size=6))
def test_rows_always_get_what_they_wear_and_nothing_else(merged: Wearing, rows: list[tuple[Wearing, int]]) -> None:
    choice = choose(merged, rows, COSTS)
    assert not (choice.by_rows and choice.merged is not None)
    assert choice.by_rows or all(wearing == choice.merged for wearing, _ in rows)


@given(st.lists(st.lists(names, min_size=1, max_size=4), max_size=6), st.integers(1, 60))
def test_never_dearer_than_twice_rows_alone(groups: list[list[Wearing]], forwards: int) -> None:
    _, cost = run(groups, forwards)
    rows = sum(COSTS.extra * forwards for group in groups for wearing in group if wearing is not None)
    assert cost <= 2 * rows + 1e-9
