"""A house for the page's tests that need no server: a queue on the disk, jobs that have ended in it, and no engine."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from easel.core.figures import Figures
from easel.core.request import Request
from easel.core.settings import Settings
from easel.jobs.album import keep
from easel.jobs.feed import Feed
from easel.jobs.job import Job
from easel.jobs.store import Store, open_store
from easel.models.library.names import Library
from easel.ui.house import House
from tests.jobs.playing import drawn


@contextmanager
def house_in(folder: Path) -> Generator[House]:
    """Open a house whose files stand in a folder."""
    settings = Settings(models=folder / "models", outputs=folder / "outputs", styles=folder / "styles.csv")
    album = settings.outputs / "jobs"
    store = open_store(f"sqlite:///{album}/jobs.sqlite")
    yield House(store, Feed(), Library(settings, paths=False), settings, album, lambda request: None, Figures)
    store.close()


def ended(store: Store, album: Path, request: Request, user: str = "") -> Job:
    """Return a job that has ended, with files for its pictures; nothing else may wait."""
    job = store.submit(request, user)
    claimed = store.claim("hand")
    assert claimed is not None and claimed.id == job.id
    assert store.finish(job.id, "hand", keep(album, job.stem, drawn(job.request).pictures))
    return store.get(job.id)
