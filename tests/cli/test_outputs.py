"""`easel outputs`: days of the outputs folder listed and zipped, and a queue's old jobs forgotten."""

from __future__ import annotations

import json
import zipfile
from datetime import date
from pathlib import Path

import pytest

from easel.core.request import Request
from easel.jobs.album import keep
from easel.jobs.store import Store, open_store
from tests.cli.conftest import Easel
from tests.jobs.playing import drawn


def put(home: Path, name: str, data: bytes = b"1234") -> Path:
    path = home / "outputs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_days_are_listed_and_zipped(easel: Easel, home: Path) -> None:
    assert "no pictures in outputs" in easel("outputs", "list").err
    put(home, "txt2img-images/2026-11-20/00000-7.png")
    put(home, "txt2img-images/2026-11-21/00000-7.png", b"fox")
    put(home, "jobs/2026-11-21/abc-0.png", b"cat")
    put(home, "jobs/2026-11-21/.abc-1.xyz.part", b"half")
    put(home, "jobs/jobs.sqlite")
    put(home, "txt2img-images/notes/today.txt")
    (home / "secret").write_text("secret")
    (home / "outputs/jobs/2026-11-21/link.png").symlink_to(home / "secret")
    shown = easel("outputs", "list")
    assert [line.split() for line in shown.lines] == [
        ["day", "pictures", "size"],
        ["2026-11-21", "2", "6", "bytes"],
        ["2026-11-20", "1", "4", "bytes"],
    ]
    told = json.loads(easel("outputs", "list", "--json").out)
    assert told["days"][0] == {"date": "2026-11-21", "pictures": 2, "bytes": 6}
    ending = easel("outputs", "zip", "2026-11-21")
    assert (ending.code, ending.out.strip()) == (0, "easel-2026-11-21.zip")
    with zipfile.ZipFile(home / "easel-2026-11-21.zip") as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert held == {"jobs/2026-11-21/abc-0.png": b"cat", "txt2img-images/2026-11-21/00000-7.png": b"fox"}
    put(home, f"txt2img-images/{date.today().isoformat()}/00000-1.png")
    assert easel("outputs", "zip", "today", "--out", "deep/all.zip").code == 0
    assert zipfile.is_zipfile(home / "deep/all.zip")


@pytest.mark.parametrize("day", ["2026-11-22", "20261121", "..", "yesterday", "2026-02-30"])
def test_a_day_that_is_none_is_refused(easel: Easel, home: Path, day: str) -> None:
    put(home, "jobs/2026-11-21/abc-0.png")
    ending = easel("outputs", "zip", day)
    assert ending.code == 2 and ending.err.startswith("error: day is ")
    assert not list(home.glob("*.zip"))


def test_a_zip_that_cannot_be_written_leaves_nothing(easel: Easel, home: Path) -> None:
    put(home, "jobs/2026-11-21/abc-0.png")
    (home / "file").write_text("")
    ending = easel("outputs", "zip", "2026-11-21", "--out", "file/all.zip")
    assert ending.code == 1 and "cannot write pictures to file/all.zip" in ending.err


def ended(store: Store, album: Path) -> str:
    """Submit a job, end it with its pictures, and return its id."""
    job = store.submit(Request(prompt="a cat"))
    assert store.claim("w") is not None
    store.finish(job.id, "w", keep(album, job.stem, drawn(job.request).pictures))
    return job.id


def test_old_jobs_are_forgotten_with_their_files(easel: Easel, home: Path) -> None:
    album = home / "outputs" / "jobs"
    album.mkdir(parents=True)
    old = open_store(f"sqlite:///{album}/jobs.sqlite", clock=lambda: 1.7e9)
    ids = [ended(old, album) for _ in range(3)]
    old.favourite(ids[1], 0)
    old.close()
    store = open_store(f"sqlite:///{album}/jobs.sqlite")
    fresh, waits = ended(store, album), store.submit(Request()).id
    drawn_by_hand = put(home, "txt2img-images/2023-11-14/00000-7.png")
    dry = easel("outputs", "prune", "--older-than", "7", "--dry-run")
    assert set(dry.lines) == {ids[0], ids[2]} and "would forget 2 jobs" in dry.err
    assert len(store.list()) == 5
    assert "forgot 2 jobs" in easel("outputs", "prune", "--older-than", "7").err
    assert {job.id for job in store.list()} == {ids[1], fresh, waits}
    assert len(list(album.rglob("*.png"))) == 2 and drawn_by_hand.exists()
    assert "forgot 0 jobs" in easel("outputs", "prune", "--larger-than", "1B").err  # too fresh, or a favourite
    store.close()


@pytest.mark.parametrize("words", [(), ("--larger-than", "much"), ("--older-than", "-1")])
def test_prune_must_be_told_what(easel: Easel, words: tuple[str, ...]) -> None:
    assert easel("outputs", "prune", *words).code == 2
