"""The worker: jobs become pictures, several at once; each job ends once, whatever happens to its run."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest
from PIL import Image

from easel.core.client import Previewed, Progressed, Terms
from easel.core.request import Request
from easel.jobs.album import keep
from easel.jobs.bounds import Bounds
from easel.jobs.feed import Began, Ended, Feed, News
from easel.jobs.following import wait_for
from easel.jobs.job import Job
from easel.jobs.store import Store
from easel.jobs.worker import Worker
from tests.jobs.playing import Player, colour, drawn


@contextmanager
def working(store: Store, client: Player, album: Path, **options: object) -> Iterator[Worker]:
    worker = Worker(store, client, album, **options)
    worker.start()
    try:
        yield worker
    finally:
        worker.close()


def until(met: Callable[[], bool]) -> None:
    """Wait until a condition is met; fail after a while."""
    end = monotonic() + 20
    while not met():
        assert monotonic() < end
        sleep(0.01)


def request(prompt: str = "a cat", **fields: object) -> Request:
    return Request(prompt=prompt, **fields)


def pictures(album: Path) -> list[str]:
    """Return every file in the album, finished or not."""
    return sorted(path.relative_to(album).as_posix() for path in album.rglob("*") if path.is_file())


def test_a_job_becomes_files_of_its_pictures(store: Store, tmp_path: Path) -> None:
    job = store.submit(request(seed=900, batch_size=3), user="anna", priority=3)
    client = Player()
    with working(store, client, tmp_path / "album") as worker:
        ended = wait_for(store, worker.feed, job.id, 20)
    assert (ended.state, ended.attempts, ended.error) == ("done", 1, None)
    assert [kept.seed for kept in ended.pictures] == [900, 901, 902]
    assert pictures(tmp_path / "album") == [kept.file for kept in ended.pictures]
    for kept in ended.pictures:
        file = tmp_path / "album" / kept.file
        assert file.stat().st_size == kept.bytes
        with Image.open(file) as image:
            assert image.size == (kept.width, kept.height)
            assert image.getpixel((0, 0)) == colour(kept.seed)
            assert image.info["parameters"] == kept.infotext == f"Seed: {kept.seed}"
    assert client.asked[0][1] == Terms("anna", 3)


def test_several_run_at_once_and_no_more_than_allowed(file_store: Store, tmp_path: Path) -> None:
    ids = [file_store.submit(request(steps=5)).id for _ in range(12)]
    client = Player(pace=0.01)
    with working(file_store, client, tmp_path, at_once=4) as worker:
        assert {wait_for(file_store, worker.feed, id, 20).state for id in ids} == {"done"}
    assert client.most_at_once == 4


@pytest.mark.parametrize(
    ("prompt", "kind", "message"),
    [
        ("fail", "OutOfMemory", "ask for a smaller picture"),
        ("refuse", "UnknownName", "model 'starer' is not known"),
        ("break", "Internal", "ValueError: broken"),
    ],
)
def test_a_run_that_ends_badly_ends_its_job_alone(
    file_store: Store, tmp_path: Path, prompt: str, kind: str, message: str
) -> None:
    bad, good = file_store.submit(request(prompt)), file_store.submit(request())
    with working(file_store, Player(), tmp_path) as worker:
        assert wait_for(file_store, worker.feed, good.id, 20).state == "done"
        ended = wait_for(file_store, worker.feed, bad.id, 20)
    assert (ended.state, ended.error.kind, ended.pictures) == ("failed", kind, ())
    assert message in ended.error.message


def test_an_album_that_takes_no_file_fails_the_job_in_words(file_store: Store, tmp_path: Path) -> None:
    job = file_store.submit(request())
    (tmp_path / "album").write_text("a file where a folder should be")
    with working(file_store, Player(), tmp_path / "album") as worker:
        ended = wait_for(file_store, worker.feed, job.id, 20)
    assert (ended.state, ended.error.kind) == ("failed", "StorageError")
    assert "cannot save a picture" in ended.error.message


def test_a_cancelled_job_stops_and_leaves_no_file(file_store: Store, tmp_path: Path) -> None:
    runs, waits = file_store.submit(request("wait")), file_store.submit(request())
    with working(file_store, Player(), tmp_path / "album", at_once=1) as worker:
        until(lambda: file_store.get(runs.id).state == "running")
        heard: list[News] = []
        file_store.cancel(waits.id)
        assert wait_for(file_store, worker.feed, waits.id, 20).state == "cancelled"
        with worker.feed.listening(runs.id, lambda: None) as listener:
            file_store.cancel(runs.id)
            until(lambda: heard.extend(listener.fresh()) or any(isinstance(news, Ended) for news in heard))
        after = file_store.submit(request())
        assert wait_for(file_store, worker.feed, after.id, 20).state == "done"
    assert file_store.get(runs.id).state == "cancelled"
    assert pictures(tmp_path / "album") == [kept.file for kept in file_store.get(after.id).pictures]


def test_a_run_that_someone_stopped_in_the_engine_is_cancelled(file_store: Store, tmp_path: Path) -> None:
    job, client = file_store.submit(request("wait")), Player()
    with working(file_store, client, tmp_path) as worker:
        until(lambda: file_store.get(job.id).state == "running" and bool(client.asked))
        client.cancel("run-0")
        assert wait_for(file_store, worker.feed, job.id, 20).state == "cancelled"


def test_a_full_engine_is_asked_again(file_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("easel.jobs.worker.PAUSE", 0.05)
    ids = [file_store.submit(request()).id for _ in range(6)]
    client = Player(places=2, pace=0.005)
    with working(file_store, client, tmp_path) as worker:
        ended = [wait_for(file_store, worker.feed, id, 20) for id in ids]
    assert {job.state for job in ended} == {"done"}
    assert client.most_at_once == 2


def test_news_are_told_as_they_happen(file_store: Store, tmp_path: Path) -> None:
    feed, heard, rang = Feed(), [], threading.Event()
    job = file_store.submit(request(steps=4, preview_every=1))
    with feed.listening(job.id, rang.set) as listener, working(file_store, Player(pace=0.02), tmp_path, feed=feed):
        while not any(isinstance(news, Ended) for news in heard):
            assert rang.wait(20)
            rang.clear()
            heard += listener.fresh()
    assert Began(1) in heard
    assert [news.step for news in heard if isinstance(news, Progressed)] == [0, 1, 2, 3, 4]
    assert any(isinstance(news, Previewed) for news in heard)
    assert heard[-1] == Ended(file_store.get(job.id))
    assert feed._topics == {}


def test_a_worker_that_closes_gives_back_what_it_has_not_finished(file_store: Store, tmp_path: Path) -> None:
    job = file_store.submit(request("wait", seed=5))
    with working(file_store, Player(), tmp_path):
        until(lambda: file_store.get(job.id).state == "running")
    given = file_store.get(job.id)
    assert (given.state, given.attempts, file_store.beats()) == ("queued", 0, {})


def test_pictures_that_are_finished_while_the_worker_closes_are_kept(file_store: Store, tmp_path: Path) -> None:
    late, early = file_store.submit(request("wait, too late to stop", seed=5)), file_store.submit(request("wait"))
    with working(file_store, Player(), tmp_path / "album"):
        until(lambda: {file_store.get(one.id).state for one in (late, early)} == {"running"})
    ended = file_store.get(late.id)
    assert (ended.state, ended.attempts) == ("done", 1)
    assert pictures(tmp_path / "album") == [ended.pictures[0].file]
    assert (file_store.get(early.id).state, file_store.beats()) == ("queued", {})


def test_a_database_that_is_locked_while_the_worker_closes_is_asked_again(
    tmp_path: Path, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("easel.jobs.errand.PATIENCE", 0.2)
    store = opened(f"sqlite:///{tmp_path}/jobs.sqlite", patience=0.05)
    job = store.submit(request("wait, too late to stop"))
    worker = Worker(store, Player(), tmp_path / "album")
    worker.start()
    until(lambda: store.get(job.id).state == "running")
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        thread = threading.Thread(target=worker.close)
        thread.start()
        until(lambda: any(name.endswith(".png") for name in pictures(tmp_path / "album")))
        other.execute("COMMIT")
        thread.join()
    assert store.get(job.id).state == "done"


def test_users_run_no_more_at_once_than_they_may(tmp_path: Path, opened: Callable[..., Store]) -> None:
    store = opened(f"sqlite:///{tmp_path}/jobs.sqlite", bounds=Bounds(running_each=2))
    anna = [store.submit(request(steps=4), user="anna").id for _ in range(8)]
    bert = [store.submit(request(steps=4), user="bert").id for _ in range(3)]
    client = Player(pace=0.01)
    most = 0
    with working(store, client, tmp_path / "album") as worker:
        while not all(store.get(id).has_ended for id in anna + bert):
            running = [job.user for job in store.list(states=["running"])]
            most = max(most, len(running))
            assert max(running.count("anna"), running.count("bert")) <= 2
        assert {wait_for(store, worker.feed, id, 20).state for id in anna + bert} == {"done"}
    assert most <= 4 and client.most_at_once <= 4


def test_jobs_of_a_worker_that_fell_silent_are_run_again(
    url: str, opened: Callable[..., Store], tmp_path: Path
) -> None:
    store = opened(url)
    job = store.submit(request(seed=41, batch_size=2))
    assert store.claim("dead").id == job.id
    keep(tmp_path / "album", job.stem, drawn(job.request).pictures)  # its last deed, before it wrote that down
    half = tmp_path / "album" / job.stem
    half.with_name(f".{half.name}-1.abc.part").write_bytes(b"half a picture")
    before = {
        name: (tmp_path / "album" / name).read_bytes() for name in pictures(tmp_path / "album") if ".part" not in name
    }
    with working(store, Player(), tmp_path / "album", lease=0.3) as worker:
        ended = wait_for(store, worker.feed, job.id, 20)
    assert (ended.state, ended.attempts) == ("done", 2)
    assert [kept.file for kept in ended.pictures] == pictures(tmp_path / "album") == sorted(before)
    assert {name: (tmp_path / "album" / name).read_bytes() for name in before} == before


def test_two_workers_share_one_queue(url: str, opened: Callable[..., Store], tmp_path: Path) -> None:
    stores = [opened(url), opened(url)]
    clients = [Player(pace=0.005), Player(pace=0.005)]
    ids = [stores[number % 2].submit(request(batch_size=2), user=f"u{number % 3}").id for number in range(24)]
    album = tmp_path / "album"
    with (
        working(stores[0], clients[0], album, at_once=2) as one,
        working(stores[1], clients[1], album, at_once=2),
    ):
        # everything is heard at one of them, whoever runs it
        ended: list[Job] = [wait_for(stores[0], one.feed, id, 20) for id in ids]
    assert {(job.state, job.attempts, len(job.pictures)) for job in ended} == {("done", 1, 2)}
    assert pictures(album) == sorted(kept.file for job in ended for kept in job.pictures)
    assert len(clients[0].asked) + len(clients[1].asked) == 24
    assert clients[0].asked and clients[1].asked


def test_a_database_in_trouble_loses_no_result(
    tmp_path: Path, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("easel.jobs.errand.PATIENCE", 0.05)
    monkeypatch.setattr("easel.jobs.worker.PAUSE", 0.05)
    store = opened(f"sqlite:///{tmp_path}/jobs.sqlite", patience=0.05)
    job = store.submit(request(steps=10))
    with working(store, Player(pace=0.03), tmp_path / "album", lease=1.0) as worker:
        until(lambda: store.get(job.id).state == "running")
        with closing(sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            until(lambda: bool(pictures(tmp_path / "album")) and worker.trouble is not None)
            assert "locked" in worker.trouble.message
            assert store.get(job.id).state == "running"
            other.execute("COMMIT")
        assert wait_for(store, worker.feed, job.id, 20).state == "done"
        until(lambda: worker.trouble is None)
