"""When the server ends, nobody who waits is left waiting: a clear 503 at once, and the job stays queued."""

from __future__ import annotations

import base64
import io
import socket
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from PIL import Image

from easel.api.doors import Closing
from easel.api.server import app
from easel.core.settings import Settings
from easel.jobs.feed import Feed
from easel.jobs.store import Store, open_store
from easel.jobs.worker import Worker
from easel.media.metadata import encode
from easel.models.library.names import Library
from tests.jobs.playing import Player

FILE = encode(Image.new("RGB", (64, 64), (90, 0, 0)))


@contextmanager
def ending(folder: Path) -> Generator[tuple[str, Store, Callable[[], None]]]:
    """A server, its queue, and what `easel serve` does when it is asked to end."""
    settings = Settings(models=folder / "models", outputs=folder / "outputs", styles=folder / "styles.csv")
    store, feed, closing = open_store(f"sqlite:///{folder}/jobs.sqlite"), Feed(), Closing()
    worker = Worker(store, Player(), folder / "album", feed)
    made = app(store, feed, Library(settings, paths=False), settings, album=folder / "album", closing=closing)
    server = uvicorn.Server(uvicorn.Config(made, log_level="error", lifespan="off", timeout_graceful_shutdown=10))

    def end() -> None:
        server.should_exit = True
        closing.ask()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        worker.start()
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", store, end
        finally:
            end()
            thread.join(15)
            worker.close()
            store.close()


def a1111(url: str, path: str, **more: Any) -> Callable[[], httpx2.Response]:
    return lambda: httpx2.post(f"{url}/sdapi/v1/{path}", json={"prompt": "wait", "steps": 2, **more}, timeout=20)


def openai(url: str, **more: Any) -> Callable[[], httpx2.Response]:
    body = {"prompt": "wait", "easel": {"steps": 2}, **more}
    return lambda: httpx2.post(f"{url}/v1/images/generations", json=body, timeout=20)


def edit(url: str) -> Callable[[], httpx2.Response]:
    files = {"image": ("a.png", io.BytesIO(FILE), "image/png")}
    return lambda: httpx2.post(f"{url}/v1/images/edits", data={"prompt": "wait"}, files=files, timeout=20)


def test_waiting_answers_end_at_once_with_503(tmp_path: Path) -> None:
    with ending(tmp_path) as (url, store, end), ThreadPoolExecutor() as pool:
        start = base64.b64encode(FILE).decode()
        calls = [
            pool.submit(ask)
            for ask in (a1111(url, "txt2img"), a1111(url, "img2img", init_images=[start]), openai(url), edit(url))
        ]
        stream = pool.submit(openai(url, stream=True, partial_images=1))
        until(lambda: store.counts()["running"] == 5)
        began = time.monotonic()
        end()
        answers = [call.result() for call in calls]
        told = stream.result().text
        assert time.monotonic() - began < 5
        assert {answer.status_code for answer in answers} == {503}
        assert all("the server ends now" in answer.text and answer.headers["retry-after"] for answer in answers)
        assert "event: error" in told and "the server ends now" in told
    store = open_store(f"sqlite:///{tmp_path}/jobs.sqlite")
    assert {job.state for job in store.list()} == {"queued"} and len(store.list()) == 5
    store.close()


@pytest.mark.parametrize("path", ["/v1/jobs/one?wait=20", "/v1/jobs/one/events"])
def test_who_waits_for_a_job_hears_where_it_stands(tmp_path: Path, path: str) -> None:
    with ending(tmp_path) as (url, store, end), ThreadPoolExecutor() as pool:
        assert httpx2.post(f"{url}/v1/jobs?id=one", json={"prompt": "wait"}).status_code == 202
        call = pool.submit(lambda: httpx2.get(url + path, timeout=20))
        until(lambda: store.get("one").state == "running")
        time.sleep(0.3)
        end()
        answer = call.result()
        assert answer.status_code == 200 and ("running" in answer.text or "event: began" in answer.text)


def until(met: Callable[[], bool]) -> None:
    """Wait until a condition is met; fail after a while."""
    last = time.monotonic() + 20
    while not met():
        assert time.monotonic() < last
        time.sleep(0.01)
