"""kill -9 at any moment: what was promised is kept, once. benchmarks/kills.py does the same at greater length."""

from __future__ import annotations

from pathlib import Path

from tests.jobs.ordeal import Tally, ordeal


def test_a_server_that_is_killed_again_and_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    tally = ordeal(f"sqlite:///{tmp_path}/jobs.sqlite", tmp_path / "album", kills=20, jobs=200, seed=1)
    assert tally == Tally(kills=20, jobs=200, lost=0, doubled=0, wrong=0, strays=0, again=tally.again)
    assert tally.again > 0  # else no kill hit a job that ran, and nothing was shown


def test_nor_do_two_servers_of_which_one_is_killed_again_and_again(url: str, tmp_path: Path) -> None:
    tally = ordeal(url, tmp_path / "album", kills=6, jobs=60, seed=2, beside=True)
    assert tally == Tally(kills=6, jobs=60, lost=0, doubled=0, wrong=0, strays=0, again=tally.again)
