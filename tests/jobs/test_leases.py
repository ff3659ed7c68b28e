"""Who is silent is told by counts on a steady clock, and by nothing else."""

from __future__ import annotations

from easel.jobs.leases import Leases


def test_who_stands_still_for_the_whole_lease_is_silent() -> None:
    now = [0.0]
    leases = Leases(10.0, lambda: now[0])
    told = []
    for second in range(0, 40, 4):
        now[0] = second
        told.append(sorted(leases.silent({"steady": second, "stuck": min(second, 12)})))
    assert told == [[], [], [], [], [], [], ["stuck"], ["stuck"], ["stuck"], ["stuck"]]


def test_one_who_was_not_watched_for_long_is_given_time() -> None:
    now = [0.0]
    leases = Leases(10.0, lambda: now[0])
    leases.silent({"w": 1})
    now[0] = 1000.0  # this process was held up, and the other's count went on
    assert leases.silent({"w": 2}) == {}
    now[0] = 1009.0
    assert leases.silent({"w": 2}) == {}
    now[0] = 1010.0
    assert leases.silent({"w": 2}) == {"w": 2}


def test_one_who_left_is_forgotten() -> None:
    now = [0.0]
    leases = Leases(10.0, lambda: now[0])
    leases.silent({"w": 1})
    leases.silent({})
    now[0] = 11.0
    assert leases.silent({"w": 1}) == {}
