"""A server of all dialects on a port of this machine, with a scripted engine or a real one behind it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from easel.api.doors import accepted
from easel.api.security import Gate
from easel.api.server import app
from easel.api.users import Secret, Users
from easel.core.client import EngineClient
from easel.core.request import Request
from easel.core.settings import Settings
from easel.jobs.feed import Feed
from easel.jobs.store import Store, open_store
from easel.jobs.worker import Worker
from easel.models.library.names import Library


@dataclass(frozen=True, slots=True)
class Served:
    """A server as its clients see it, and its queue."""

    url: str
    store: Store
    settings: Settings


@contextmanager
def serving(
    folder: Path,
    client: EngineClient,
    users: Iterable[Secret] = (),
    check: Callable[[Request], None] = accepted,
    tls: tuple[Path, Path] | None = None,
    **doors: Any,
) -> Generator[Served]:
    """Serve from a folder until the context ends. users: who is known; everybody comes in where nobody is.

    tls: a certificate's file and its key's. doors: what else the app is made with.
    """
    settings = Settings(
        models=folder / "models", outputs=folder / "outputs", styles=folder / "styles.csv", wildcards=folder / "lists"
    )
    store, feed = open_store(f"sqlite:///{folder}/jobs.sqlite"), Feed()
    worker = Worker(store, client, folder / "album", feed)
    known = list(users)
    made = app(
        store,
        feed,
        Library(settings, paths=False),
        settings,
        album=folder / "album",
        check=check,
        gate=Gate(Users(known)) if known else None,
        **doors,
    )
    secured: dict[str, Any] = {"ssl_certfile": tls[0], "ssl_keyfile": tls[1]} if tls else {}
    server = uvicorn.Server(uvicorn.Config(made, log_level="error", lifespan="off", **secured))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        worker.start()
        thread.start()
        try:
            yield Served(f"http{'s' if tls else ''}://127.0.0.1:{listening.getsockname()[1]}", store, settings)
        finally:
            server.should_exit = True
            thread.join(10)
            worker.close()
            client.close()
            store.close()
