"""A request that comes again: the same bytes where everything is the same, and drawn wherever anything is not."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from easel.core.errors import BadValue, QueueFull
from easel.core.passes import Variation
from easel.core.request import Request
from easel.core.version import version
from easel.jobs.album import keep
from easel.jobs.bounds import Bounds
from easel.jobs.job import Job
from easel.jobs.pruning import sweep
from easel.jobs.repeating import answered, version_in
from easel.jobs.store import Store
from tests.jobs.playing import drawn

CAT = Request(prompt="a cat, Version: Easel 0", seed=7, batch_size=2)


def done(store: Store, album: Path, request: Request = CAT, user: str = "anna", circumstances: str = "here") -> Job:
    """Have a job drawn."""
    job = store.submit(request, user, circumstances=circumstances)
    assert store.claim("w") is not None
    assert store.finish(job.id, "w", keep(album, job.stem, drawn(job.request).pictures))
    return store.get(job.id)


def again(store: Store, album: Path, request: Request = CAT, **otherwise: Any) -> Job | None:
    """Ask for a request again; what is not named is as in done()."""
    asked = {"user": "anna", "priority": 0, "id": None, "circumstances": "here"} | otherwise
    return answered(store, album, request, **asked)


def bytes_of(album: Path, job: Job) -> list[bytes]:
    return [(album / one.file).read_bytes() for one in job.pictures]


def test_the_very_same_is_done_at_once_with_files_of_its_own(store: Store, tmp_path: Path) -> None:
    first = done(store, tmp_path)
    second = again(store, tmp_path, id="mine", priority=3)
    assert second is not None and store.get("mine", "anna") == second
    assert (second.state, second.priority, second.request, second.user) == ("done", 3, CAT, "anna")
    assert [one.seed for one in second.pictures] == [7, 8] == [one.seed for one in first.pictures]
    assert bytes_of(tmp_path, second) == bytes_of(tmp_path, first)
    assert not {one.file for one in first.pictures} & {one.file for one in second.pictures}
    assert all(one.file.startswith(f"{second.stem}-") for one in second.pictures)
    assert store.claim("w") is None and store.beats().keys() == {"w"}


@pytest.mark.parametrize(
    ("request_", "otherwise"),
    [
        (CAT.changed(steps=5), {}),
        (CAT.changed(seed=8), {}),
        (CAT.changed(preview_every=1), {}),
        (CAT.changed(prompt="a cat"), {}),
        (CAT, {"user": "bert"}),
        (CAT, {"user": ""}),
        (CAT, {"circumstances": "elsewhere"}),
    ],
)
def test_anything_else_is_drawn(store: Store, tmp_path: Path, request_: Request, otherwise: dict[str, str]) -> None:
    done(store, tmp_path)
    assert again(store, tmp_path, request_, **otherwise) is None
    assert len(store.list()) == 1


def test_what_waits_failed_or_was_never_to_be_repeated_answers_nothing(store: Store, tmp_path: Path) -> None:
    waiting = store.submit(CAT, "anna", circumstances="here")
    assert again(store, tmp_path) is None
    store.cancel(waiting.id)
    assert again(store, tmp_path) is None
    done(store, tmp_path, circumstances="")
    assert again(store, tmp_path) is None and again(store, tmp_path, circumstances="") is None


def test_without_a_seed_it_is_drawn_and_with_the_seed_that_was_drawn_it_is_not(store: Store, tmp_path: Path) -> None:
    free = CAT.changed(seed=None)
    first = done(store, tmp_path, free)
    assert again(store, tmp_path, free) is None
    second = again(store, tmp_path, first.request)
    assert second is not None and bytes_of(tmp_path, second) == bytes_of(tmp_path, first)
    varied = CAT.changed(variation=Variation(strength=0.5))
    done(store, tmp_path, varied)
    assert again(store, tmp_path, varied) is None


@pytest.mark.parametrize("harm", ["gone", "shorter", "led away"])
def test_where_a_picture_no_longer_stands_it_is_drawn(file_store: Store, tmp_path: Path, harm: str) -> None:
    first = done(file_store, tmp_path)
    file = tmp_path / first.pictures[1].file
    data = file.read_bytes()
    file.unlink()
    if harm == "shorter":
        file.write_bytes(data[:-1])
    elif harm == "led away":
        (tmp_path / "elsewhere.png").write_bytes(data)
        file.symlink_to(tmp_path / "elsewhere.png")
    assert again(file_store, tmp_path) is None
    whole = done(file_store, tmp_path)
    second = again(file_store, tmp_path)
    assert second is not None and bytes_of(tmp_path, second) == bytes_of(tmp_path, whole)


def test_forgetting_one_leaves_the_other(store: Store, tmp_path: Path) -> None:
    first = done(store, tmp_path)
    second = again(store, tmp_path)
    assert second is not None
    before = bytes_of(tmp_path, second)
    assert store.forget([first.id]) == 1
    sweep(store, tmp_path)
    assert bytes_of(tmp_path, second) == before and not any((tmp_path / one.file).exists() for one in first.pictures)
    third = again(store, tmp_path)
    assert third is not None and bytes_of(tmp_path, third) == before


def test_a_disk_that_gives_no_second_names_gets_copies(
    file_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = done(file_store, tmp_path)

    def refuse(*names: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    second = again(file_store, tmp_path)
    assert second is not None and bytes_of(tmp_path, second) == bytes_of(tmp_path, first)
    assert (tmp_path / second.pictures[0].file).stat().st_nlink == 1
    assert not list(tmp_path.rglob("*.part"))


def test_files_taken_away_in_that_moment_leave_a_job_that_waits(
    file_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(file_store, tmp_path)

    def gone(*names: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "link", gone)
    job = again(file_store, tmp_path)
    assert job is not None and (job.state, job.attempts, job.worker) == ("queued", 0, None)
    claimed = file_store.claim("w")
    assert claimed is not None and claimed.id == job.id


def test_a_death_in_the_middle_leaves_a_job_that_is_drawn(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(store, tmp_path)

    def die(*names: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", die)
    with pytest.raises(KeyboardInterrupt):
        again(store, tmp_path, id="mine")
    silent = next(name for name in store.beats() if name != "w")
    assert store.get("mine").state == "running" and store.claim("w") is None
    assert store.release(silent, store.beats()[silent]) == ["mine"]
    claimed = store.claim("w")
    assert claimed is not None and claimed.id == "mine"


def test_a_full_queue_still_answers_and_a_taken_id_is_refused(
    tmp_path: Path, opened: Callable[..., Store], url: str
) -> None:
    store = opened(url, bounds=Bounds(waiting=1))
    first = done(store, tmp_path)
    store.submit(CAT.changed(prompt="waits"))
    with pytest.raises(QueueFull):
        store.submit(CAT)
    assert again(store, tmp_path) is not None
    with pytest.raises(BadValue, match="no other job"):
        again(store, tmp_path, id=first.id)


@pytest.mark.parametrize("drawer", ["another", "this"])
def test_what_another_version_drew_is_drawn_anew(file_store: Store, tmp_path: Path, drawer: str) -> None:
    job = file_store.submit(CAT, "anna", circumstances="here")
    assert file_store.claim("w") is not None
    said = f"a cat\nSteps: 3, Version: Easel {version() if drawer == 'this' else '0.0.1'}"
    pictures = [replace(one, infotext=said) for one in drawn(CAT).pictures]
    assert file_store.finish(job.id, "w", keep(tmp_path, job.stem, pictures))
    assert (again(file_store, tmp_path) is None) == (drawer == "another")


def test_an_infotext_names_its_version() -> None:
    said = 'a cat, Version: Easel 0\nSteps: 3, Version: Easel {}, Template: "x"'
    assert version_in(said.format(version())) == version() and version_in(said.format("0.0.1")) == "0.0.1"
    assert version_in("a cat\nSeed: 7") == ""


def test_the_look_up_goes_by_an_index(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store, asked = opened(f"sqlite:///{tmp_path}/jobs.sqlite"), list[tuple[str, Any]]()
    engine = store._base._engine
    event.listen(engine, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    store.done_alike(CAT, "anna", "here")
    with sqlite3.connect(tmp_path / "jobs.sqlite") as base:
        plan = base.execute(f"EXPLAIN QUERY PLAN {asked[-1][0]}", asked[-1][1]).fetchall()
    base.close()
    told = " ".join(str(row[-1]) for row in plan)
    assert "repeats_alike" in told and "SCAN" not in told, told
