"""Counting steps of many runs, and saying them in few words."""

from __future__ import annotations

import pytest

from easel.cli.display import facts_of, pace_in_words, time_in_words
from easel.cli.tally import Tally
from easel.cli.wishes import options_of, value_of
from easel.core.amounts import bytes_in_words


def test_runs_are_counted_together() -> None:
    tally = Tally(runs=3, pictures=6)
    assert (tally.total, tally.pace(0.0), facts_of(tally, 0.0)) == (None, None, "")
    tally.stepped(0, 0, 20, now=100.0)
    assert (tally.done, tally.total, tally.pace(100.0)) == (0, 60, None)
    tally.stepped(0, 10, 20, now=101.0)
    tally.stepped(1, 5, 10, now=101.0)
    assert (tally.done, tally.total) == (15, 40)
    tally.usual = 20
    tally.kept = 2
    assert facts_of(tally, 102.5) == "15/50 steps  2/6 pictures  6.0 it/s  ETA 0:06"


def test_ended_runs_leave_nothing_to_do() -> None:
    tally = Tally(runs=3, pictures=3)
    tally.stepped(0, 3, 20, now=0.0)
    tally.ended(0, whole=True)
    tally.ended(1, whole=True)
    tally.ended(2, whole=False)
    assert (tally.done, tally.total, tally.seconds_left(10.0)) == (40, 40, 0.0)


def test_numbers_in_words() -> None:
    assert [pace_in_words(pace) for pace in (12.34, 1.0, 0.25)] == ["12.3 it/s", "1.0 it/s", "4.0 s/it"]
    assert [time_in_words(seconds) for seconds in (0.4, 7, 750, 3725)] == ["0:00", "0:07", "12:30", "1:02:05"]
    assert [bytes_in_words(size) for size in (0, 999, 1000, 34_700_000, 999_900_000, 4.2e12)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "35 MB",
        "1.0 GB",
        "4.2 TB",
    ]


def test_values_are_read_as_what_they_look_like() -> None:
    given = options_of("--sampler-option", ["a=1", "b=0.5", "c=true", "d=heun", "e = x=y", "f="])
    assert given == {"a": 1, "b": 0.5, "c": True, "d": "heun", "e": "x=y", "f": ""}
    assert isinstance(value_of("1"), int)


@pytest.mark.parametrize("text", ["inf", "nan"])
def test_odd_numbers_stay_numbers(text: str) -> None:
    assert isinstance(value_of(text), float)  # the registry refuses them by name
