"""The composition root: the one place where floors are wired together.

Nothing is built at import time; heavy imports happen inside the makers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from easel.core.client import EngineClient
from easel.core.figures import Figures
from easel.core.request import Request
from easel.core.settings import Settings

if TYPE_CHECKING:
    from easel.engine.local import LocalClient
    from easel.jobs.feed import Feed
    from easel.jobs.store import Store
    from easel.models.library.names import Library

ALBUM = "jobs"  # the folder in outputs of a server's pictures and, where no other is named, its queue


@dataclass(frozen=True, slots=True)
class Serving:
    """What a server's doors work with while it runs. album, check, figures: as api/doors.py has them."""

    store: Store
    feed: Feed
    library: Library
    album: Path
    check: Callable[[Request], None]
    figures: Callable[[], Figures]


def open_client(settings: Settings) -> EngineClient:
    """Return a client that runs requests in a thread of this process; models load at their first use."""
    from easel.models.library.names import Library

    return local_client(settings, Library(settings))


def local_client(settings: Settings, library: Library) -> LocalClient:
    """Return a client with an engine of its own that finds models in a library."""
    from easel.models.vendor import answer_mkl

    if settings.answer_mkl:
        answer_mkl()  # before anything imports torch
    from easel.engine.local import LocalClient
    from easel.engine.shelf import Shelf

    return LocalClient(Shelf(library, settings), max_rows=settings.max_rows)


def queue_of(settings: Settings, queue: str = "") -> str:
    """Return the URL of a server's queue: the one that is named, else SQLite in outputs."""
    return queue or f"sqlite:///{(settings.outputs / ALBUM / 'jobs.sqlite').absolute()}"


@contextmanager
def open_server(settings: Settings, queue: str = "") -> Generator[Serving]:
    """Open the queue, an engine and a worker between them; at the end what runs goes back to the queue.

    queue: the URL of its database; SQLite in outputs where left out. Names of models are never paths here: strangers
    ask. Raises BadValue, StorageError.
    """
    from easel.jobs.bounds import Bounds
    from easel.jobs.feed import Feed
    from easel.jobs.pruning import keep_of
    from easel.jobs.store import open_store
    from easel.jobs.worker import Worker
    from easel.models.library.names import Library
    from easel.models.library.watching import Watch

    album, feed = settings.outputs / ALBUM, Feed()
    with ExitStack() as opened:
        store = open_store(queue_of(settings, queue), bounds=Bounds(running_each=settings.running_each))
        opened.callback(store.close)
        library = Library(settings, paths=False)
        client = local_client(settings, library)
        opened.callback(client.close)
        opened.callback(Watch(library).close)
        keep = keep_of(settings.keep_days, settings.keep_bytes, album)
        worker = Worker(store, client, album, feed, keep=keep)
        worker.start()
        opened.callback(worker.close)
        yield Serving(store, feed, library, album, client.check, client.figures)
