"""A queue for each test, on each kind of database there is here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from easel.jobs.database import PATIENCE, postgresql
from easel.jobs.store import Store, open_store
from easel.jobs.tables import metadata
from tests.jobs import postgres


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL server, or the reason why there is none."""
    if reason := postgres.why_not():
        pytest.skip(reason)
    with postgres.running() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/queue/jobs.sqlite"
    server: str = request.getfixturevalue("server")
    engine = postgresql(make_url(server), PATIENCE)
    metadata.drop_all(engine)
    engine.dispose()
    return server


@pytest.fixture
def opened() -> Iterator[Callable[..., Store]]:
    """Opens stores that are closed after the test."""
    stores: list[Store] = []

    def open(url: str, **options: object) -> Store:
        stores.append(open_store(url, **options))
        return stores[-1]

    yield open
    for store in stores:
        store.close()


@pytest.fixture
def store(url: str, opened: Callable[..., Store]) -> Store:
    """A queue with nothing in it."""
    return opened(url)


@pytest.fixture
def file_store(tmp_path: Path, opened: Callable[..., Store]) -> Store:
    """A queue with nothing in it, in a file."""
    return opened(f"sqlite:///{tmp_path}/jobs.sqlite")
