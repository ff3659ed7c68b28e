"""A whole server with the page, on a port of this machine, drawing with the starter."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from easel.api.security import Gate
from easel.api.server import app
from easel.api.users import Secret, Users
from easel.app import open_server
from easel.core.settings import Settings
from easel.ui import front
from easel.ui.house import House


@dataclass(frozen=True, slots=True)
class Served:
    """A server as its visitors see it, and the house behind it."""

    url: str
    house: House


@contextmanager
def serving(folder: Path, users: Iterable[Secret] = ()) -> Generator[Served]:
    """Serve from a folder until the context ends. users: who is known; everybody comes in where nobody is."""
    settings = Settings(
        models=folder / "models", outputs=folder / "outputs", styles=folder / "styles.csv", wildcards=folder / "lists"
    )
    known = list(users)
    with open_server(settings) as open, socket.create_server(("127.0.0.1", 0)) as listening:
        house = House(open.store, open.feed, open.library, settings, open.album, open.check, open.figures)
        gate = Gate(Users(known)) if known else None
        web = app(
            open.store,
            open.feed,
            open.library,
            settings,
            album=open.album,
            check=open.check,
            figures=open.figures,
            gate=gate,
            pages=front.PATHS,
        )
        building = front.mount(web, house)
        server = uvicorn.Server(
            uvicorn.Config(web, log_level="error", lifespan="on", timeout_graceful_shutdown=1, ws="none")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            # Until the page stands too: what a thread loads while pytest changes its filters for warnings may fail.
            while not (server.started and building.stands) and thread.is_alive():
                time.sleep(0.02)
            yield Served(f"http://127.0.0.1:{listening.getsockname()[1]}", house)
        finally:
            server.should_exit = True
            thread.join(20)
