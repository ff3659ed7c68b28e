"""The policy as tables: who waits, who runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.engine.scheduler import Pending, choose

TABLE = [
    ("nobody waits", [], 8, []),
    ("one alone", [("a", "k", 2, 0)], 8, ["a"]),
    ("equal keys share", [("a", "k", 2, 0), ("b", "k", 2, 1)], 8, ["a", "b"]),
    ("other keys wait", [("a", "k", 2, 0), ("b", "m", 2, 1), ("c", "k", 2, 2)], 8, ["a", "c"]),
    ("longest waiting key first", [("a", "k", 2, 5), ("b", "m", 2, 1), ("c", "k", 2, 2)], 8, ["b"]),
    ("in order of waiting", [("a", "k", 2, 5), ("b", "k", 2, 1), ("c", "k", 2, 2)], 8, ["b", "c", "a"]),
    ("what does not fit waits", [("a", "k", 4, 0), ("b", "k", 4, 1), ("c", "k", 4, 2)], 8, ["a", "b"]),
    ("smaller ones fill the gap", [("a", "k", 4, 0), ("b", "k", 6, 1), ("c", "k", 4, 2)], 8, ["a", "c"]),
    ("the too large runs by itself", [("a", "k", 99, 0), ("b", "k", 1, 1)], 8, ["a"]),
]


@pytest.mark.parametrize(("pending", "max_rows", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_table(pending: list[tuple[str, str, int, int]], max_rows: int, expected: list[str]) -> None:
    assert [work.run for work in choose([Pending(*row) for row in pending], max_rows)] == expected


waiting = st.lists(st.tuples(st.sampled_from("klm"), st.integers(1, 12)), max_size=30)


@given(waiting, st.integers(1, 16))
def test_laws(works: list[tuple[str, int]], max_rows: int) -> None:
    pending = [Pending(str(i), key, rows, since=i) for i, (key, rows) in enumerate(works)]
    chosen = choose(pending, max_rows)
    assert bool(chosen) == bool(pending)
    assert len({work.key for work in chosen}) <= 1
    assert sum(work.rows for work in chosen) <= max_rows or len(chosen) == 1
    assert not pending or chosen[0] is pending[0]


@given(waiting, st.integers(1, 16))
def test_nobody_starves(works: list[tuple[str, int]], max_rows: int) -> None:
    """Every piece of work runs within as many turns as there are pieces, though all come back at once."""
    pending = [Pending(str(i), key, rows, since=i) for i, (key, rows) in enumerate(works)]
    served: set[str] = set()
    for turn in range(len(pending)):
        chosen = choose(pending, max_rows)
        served |= {work.run for work in chosen}
        again = [Pending(w.run, w.key, w.rows, since=1000 + 100 * turn + i) for i, w in enumerate(chosen)]
        pending = [work for work in pending if work not in chosen] + again
    assert served == {work.run for work in pending}
