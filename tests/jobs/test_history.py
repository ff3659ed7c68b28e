"""What is told of the past: days, favourites, lists that stay fast; and that what is old goes whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.dialects import sqlite

from easel.core.errors import BadValue, StorageError, UnknownJob
from easel.core.request import Request
from easel.jobs.album import keep
from easel.jobs.history import Day, Shot, by_day, listing
from easel.jobs.job import Kept
from easel.jobs.pruning import FRESH, Keep, due, keep_of, prune, steady, sweep, tidy
from easel.jobs.store import Store
from easel.jobs.tables import jobs, requests
from tests.jobs.playing import drawn

DAY = 86400.0


def done(store: Store, user: str = "", *, album: Path | None = None, pictures: int = 1, size: int = 10) -> str:
    """Submit a job, end it with some pictures, with files where an album is given, and return its id."""
    job = store.submit(Request(prompt=f"a cat of {user}", seed=7, batch_size=pictures), user)
    while (claimed := store.claim("w")) is not None and claimed.id != job.id:
        store.give_back("w", [claimed.id])
    kept = [Kept(f"{job.stem}-{at}.png", 7 + at, "", 8, 8, size) for at in range(pictures)]
    assert store.finish(job.id, "w", keep(album, job.stem, drawn(job.request).pictures) if album else kept)
    return job.id


def files(album: Path) -> set[str]:
    return {path.relative_to(album).as_posix() for path in album.rglob("*") if path.is_file()}


def test_days_count_what_one_may_see(url: str, opened: Callable[..., Store]) -> None:
    now = [1.7e9]
    store = opened(url, clock=lambda: now[0])
    done(store, "anna", pictures=2)
    now[0] += DAY
    ids = [done(store, user) for user in ("bert", "anna")]
    first, second = "2023-11-14", "2023-11-15"
    assert store.days() == [Day(second, 2, 20), Day(first, 2, 20)]
    assert store.days("anna") == [Day(second, 1, 10), Day(first, 2, 20)]
    assert store.days("carl") == []
    assert [shot.user for shot in store.shots(second)] == ["bert", "anna"]
    assert store.shots(second, "anna") == [Shot("anna", store.get(ids[1]).pictures[0].file, 7)]
    assert store.shots("2023-11-16") == []
    assert [job.id for job in store.list(day=second)] == ids[::-1]
    for wrong in ("", "2023-11", "../../etc", "2023-11-14/..", "%"):
        with pytest.raises(BadValue, match="YYYY-MM-DD"):
            store.shots(wrong)


def test_favourites_are_told_and_listed(store: Store) -> None:
    liked, other = done(store, "anna", pictures=3), done(store, "anna")
    for _ in range(2):
        job = store.favourite(liked, 1, user="anna")
        assert [kept.favourite for kept in job.pictures] == [False, True, False]
    assert store.get(liked) == job
    assert [one.id for one in store.list(favourites=True)] == [liked]
    assert store.list("bert", favourites=True) == []
    assert not any(kept.favourite for kept in store.favourite(liked, 1, False).pictures + store.get(other).pictures)
    with pytest.raises(UnknownJob):
        store.favourite(liked, 0, user="bert")
    with pytest.raises(BadValue, match="allowed is 0 to 2"):
        store.favourite(liked, 3)
    with pytest.raises(BadValue, match="it has none"):
        store.favourite(store.submit(Request()).id, 0)


def test_pruning_takes_rows_and_files_together_and_no_favourite(
    url: str, opened: Callable[..., Store], tmp_path: Path
) -> None:
    now = [1e9]
    store, album = opened(url, clock=lambda: now[0]), tmp_path / "album"
    old, loved = done(store, album=album, pictures=2), done(store, album=album)
    store.favourite(loved, 0)
    now[0] += 30 * DAY
    new, waits, runs = done(store, album=album), store.submit(Request()).id, store.submit(Request()).id
    store.move(runs, 0)
    assert store.claim("w").id == runs
    kept = {name for id in (new, loved) for name in (one.file for one in store.get(id).pictures)}
    assert [one.id for one in due(store, Keep(days=7), now[0])] == [old]
    assert prune(store, album, due(store, Keep(days=7), now[0])) == 1
    assert {job.id for job in store.list()} == {new, loved, waits, runs} and files(album) == kept
    assert due(store, Keep(bytes=1), now[0]) == []  # whoever asked for it may still fetch it
    assert prune(store, album, due(store, Keep(bytes=1), now[0] + 2 * FRESH)) == 1
    assert {job.id for job in store.list()} == {loved, waits, runs}
    assert files(album) == {store.get(loved).pictures[0].file}
    assert due(store, Keep(), now[0] * 2) == []


def test_a_death_while_pruning_leaves_neither_rows_without_files_nor_files_for_ever(
    file_store: Store, tmp_path: Path
) -> None:
    album = tmp_path / "album"
    ids = [done(file_store, album=album) for _ in range(3)]
    file_store.forget(ids[:2])  # and there it died
    assert {one.file for job in file_store.list() for one in job.pictures} < files(album)
    sweep(file_store, album)
    assert {one.file for job in file_store.list() for one in job.pictures} == files(album)
    assert file_store.leavings() == []


def test_a_picture_that_becomes_a_favourite_while_it_is_pruned_stays(file_store: Store, tmp_path: Path) -> None:
    id = done(file_store, album=tmp_path / "album")
    chosen = file_store.prunable(most_bytes=1)
    file_store.favourite(id, 0)
    assert prune(file_store, tmp_path / "album", chosen) == 0
    assert files(tmp_path / "album") == {file_store.get(id).pictures[0].file}


def test_a_file_that_cannot_be_taken_away_is_tried_again(file_store: Store, tmp_path: Path) -> None:
    album = tmp_path / "album"
    id = done(file_store, album=album)
    stem = file_store.get(id).stem
    stubborn = album / f"{stem}-9"
    stubborn.mkdir()  # no file, so unlink refuses it
    file_store.forget([id])
    with pytest.raises(StorageError, match="cannot remove pictures"):
        sweep(file_store, album)
    assert file_store.leavings() == [stem]
    stubborn.rmdir()
    sweep(file_store, album)
    assert file_store.leavings() == [] and list(album.iterdir()) == []


def test_it_prunes_by_itself_until_it_closes(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store, album = opened(f"sqlite:///{tmp_path}/jobs.sqlite", clock=lambda: 1e9), tmp_path / "album"
    for _ in range(3):
        done(store, album=album)
    closing = threading.Event()
    closing.set()
    tidy(store, album, Keep(), closing)
    tidy(store, album, Keep(days=1), closing)  # asked to stop, it begins nothing
    assert len(store.list()) == 3
    closing.clear()
    thread = threading.Thread(target=tidy, args=(store, album, Keep(days=1), closing))
    thread.start()
    for _ in range(200):
        if not store.list():
            break
        threading.Event().wait(0.02)
    closing.set()
    thread.join(5)
    assert store.list() == [] and list(album.iterdir()) == [] and not thread.is_alive()


def test_a_clock_set_forward_forgets_nothing() -> None:
    wall, tick = iter([1000.0, 1010.0, 9e9, 500.0]), iter([0.0, 10.0, 20.0, 30.0])
    times = steady(lambda: next(wall), lambda: next(tick))
    assert [next(times) for _ in range(3)] == [1010.0, 1020.0, 500.0]


@pytest.mark.parametrize(
    ("size", "bytes"), [("", 0), ("0", 0), ("auto", 0), ("2GB", 2 * 10**9), ("512MiB", 2**29), ("50%", None)]
)
def test_how_much_is_kept(tmp_path: Path, size: str, bytes: int | None) -> None:
    found = keep_of(3, size, tmp_path / "not" / "there")
    assert found.days == 3
    assert found.bytes == bytes if bytes is not None else found.bytes > 2**20


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({}, "sqlite_autoindex_jobs_1 (number<?)"),
        ({"user": "anna"}, "jobs_of_users (user=? AND number<?)"),
        ({"states": ("failed",)}, "jobs_of_states (state=? AND number<?)"),
        ({"day": "2026-11-21"}, "sqlite_autoindex_jobs_"),
        ({"search": "fox", "user": "anna"}, "jobs_of_users (user=? AND number<?)"),
    ],
    ids=str,
)
def test_a_page_of_the_history_is_found_by_an_index(
    tmp_path: Path, opened: Callable[..., Store], asked: dict[str, object], index: str
) -> None:
    store = opened(f"sqlite:///{tmp_path}/jobs.sqlite")
    fill(store, 2000)
    given = {"user": None, "states": (), "search": "", "liked": False, "day": None, **asked}
    question = listing(**given).where(jobs.c.number < 1500).limit(50)
    text = str(question.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    with store._base.reading() as base:
        plan = [row[3] for row in base.exec_driver_sql(f"EXPLAIN QUERY PLAN {text.replace('%', '%%')}")]
    assert not any(line.startswith("SCAN") for line in plan), plan
    assert any(index in line for line in plan), plan


def test_days_are_counted_without_looking_at_jobs() -> None:
    assert "jobs" not in str(by_day(None)) and "jobs" in str(by_day("anna"))


def fill(store: Store, number: int) -> None:
    """Put many ended jobs into a queue at once."""
    rows = [
        {
            "number": at,
            "id": f"j{at}",
            "user": f"user {at % 7}",
            "state": "failed" if at % 100 == 0 else "done",
            "priority": 0,
            "rank": at,
            "created": 1e9 + at,
            "started": 1e9 + at,
            "ended": 1e9 + at,
            "attempts": 1,
            "stem": f"2026-11-{1 + at * 28 // (number + 1):02d}/{at:032x}",
        }
        for at in range(1, number + 1)
    ]
    body = Request(prompt="a cat").settled().model_dump_json()
    with store._base.writing() as base:
        base.execute(insert(jobs), rows)
        words = [{"job": row["number"], "body": body, "words": f"j{row['number']}\na cat number"} for row in rows]
        base.execute(insert(requests), words)
