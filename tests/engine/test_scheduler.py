"""The policy as tables and laws: who waits, who runs."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.engine.scheduler import LEAD, Pending, choose

TABLE = [
    ("nobody waits", [], 8, []),
    ("one alone", [("a", "k", 2, 0)], 8, ["a"]),
    ("equal keys share", [("a", "k", 2, 0), ("b", "k", 2, 1)], 8, ["a", "b"]),
    ("other keys wait", [("a", "k", 2, 0), ("b", "m", 2, 1), ("c", "k", 2, 2)], 8, ["a", "c"]),
    ("the key that is due first", [("a", "k", 2, 5), ("b", "m", 2, 1), ("c", "k", 2, 2)], 8, ["b"]),
    ("in order of what is due", [("a", "k", 2, 5), ("b", "k", 2, 1), ("c", "k", 2, 2)], 8, ["b", "c", "a"]),
    ("what does not fit waits", [("a", "k", 4, 0), ("b", "k", 4, 1), ("c", "k", 4, 2)], 8, ["a", "b"]),
    ("smaller ones fill the gap", [("a", "k", 4, 0), ("b", "k", 6, 1), ("c", "k", 4, 2)], 8, ["a", "c"]),
    ("the too large runs by itself", [("a", "k", 99, 0), ("b", "k", 1, 1)], 8, ["a"]),
    ("priority before what is due", [("a", "k", 4, 0), ("b", "m", 4, 9, 1)], 8, ["b"]),
    ("a user who is far ahead waits", [("a", "k", 4, 0, 0, 2 * LEAD), ("b", "m", 4, 9)], 8, ["b"]),
    ("one who is little ahead does not", [("a", "k", 4, 0, 0, LEAD / 2), ("b", "m", 4, 9)], 8, ["a"]),
    ("and shares where the key is equal", [("a", "k", 4, 0, 0, 2 * LEAD), ("b", "k", 4, 9)], 8, ["b", "a"]),
]


@pytest.mark.parametrize(("pending", "room", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_table(pending: list[tuple[str, str, int, float]], room: int, expected: list[str]) -> None:
    assert [work.run for work in choose([Pending(*row) for row in pending], lambda key: room)] == expected


waiting = st.lists(
    st.tuples(st.sampled_from("klm"), st.integers(1, 12), st.floats(0, 100), st.integers(-1, 1), st.floats(0, 50)),
    max_size=30,
)


@given(waiting, st.integers(1, 16))
def test_laws(works: list[tuple[str, int, float, int, float]], room: int) -> None:
    pending = [Pending(str(i), *work) for i, work in enumerate(works)]
    chosen = choose(pending, lambda key: room)
    assert bool(chosen) == bool(pending)
    assert len({work.key for work in chosen}) <= 1
    assert sum(work.rows for work in chosen) <= room or len(chosen) == 1
    assert not pending or chosen[0].priority == max(work.priority for work in pending)


def test_room_is_asked_for_the_key_that_runs() -> None:
    pending = [Pending(str(i), key, 1, float(i)) for i, key in enumerate("kmkm")]
    assert len(choose(pending, {"k": 1, "m": 8}.__getitem__)) == 1


@given(st.lists(st.tuples(st.sampled_from("klm"), st.integers(1, 4)), min_size=1, max_size=12), st.integers(1, 8))
def test_nobody_starves(works: list[tuple[str, int]], room: int) -> None:
    """A stream of short runs that never ends cannot hold back what is due before the later of them."""
    pending = {str(i): Pending(str(i), key, rows, due=float(i)) for i, (key, rows) in enumerate(works)}
    last = max(work.due for work in pending.values())
    for turn in range(20 * len(works)):
        pending[f"short {turn}"] = Pending(f"short {turn}", "klm"[turn % 3], 1, due=turn + 0.5)
        for work in choose(list(pending.values()), lambda key: room):
            del pending[work.run]
    assert all(work.due > last for work in pending.values())


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 4))
def test_users_share_evenly_whatever_they_ask(first: int, second: int, room: int) -> None:
    """Two users with unlike numbers of endless runs get the same of the machine, within LEAD."""
    served: Counter[str] = Counter(a=0, b=0)
    for _ in range(200):
        pending = [Pending(f"a{i}", "k", 1, 0.0, 0, served["a"]) for i in range(first)]
        pending += [Pending(f"b{i}", "k", 1, 9.0, 0, served["b"]) for i in range(second)]
        for work in choose(pending, lambda key: room):
            served[work.run[0]] += 1
    if min(first, second) >= room:  # whoever has fewer runs than fit cannot use half
        assert abs(served["a"] - served["b"]) <= LEAD + room
