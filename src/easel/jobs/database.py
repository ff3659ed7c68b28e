"""The database of the queue: SQLite in a file, or PostgreSQL; one writer at a time on either.

Knows how each kind is opened and how its errors read, and nothing of
jobs. Import is light: drivers load when a database is opened.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, TimeoutError

from easel.core.errors import BadValue, StorageError
from easel.jobs.tables import LAYOUT, layout, metadata

PATIENCE = 15.0  # seconds to wait for another writer
KINDS = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"


class Mode(NamedTuple):
    """What a transaction begins with: on SQLite in place of BEGIN, on PostgreSQL after it."""

    sqlite: tuple[str, ...]
    postgresql: tuple[str, ...]


LOCK = f"SELECT pg_advisory_xact_lock({0x4561736C})"  # "Easl"
READS = Mode(("BEGIN",), ())
WRITES = Mode(("PRAGMA synchronous = NORMAL", "BEGIN IMMEDIATE"), ("SET LOCAL synchronous_commit = off", LOCK))
WRITES_LASTING = Mode(("PRAGMA synchronous = FULL", "BEGIN IMMEDIATE"), ("SET LOCAL synchronous_commit = on", LOCK))


class Database:
    """One open database; any thread may use it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        # SQLite's own waiting is a sleep that others overtake; within one process threads rather queue.
        self._ours: AbstractContextManager[Any] = threading.Lock() if self._sqlite else nullcontext()

    @property
    def name(self) -> str:
        """The database as it may be shown: without a password."""
        return self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Give a connection that sees one moment of the database. Raises StorageError."""
        with self._told("read"), self._engine.connect() as base:
            yield base

    @contextmanager
    def writing(self, *, lasting: bool = True) -> Generator[Connection]:
        """Give a connection that alone may write; afterwards all of it is written, or none of it. Raises StorageError.

        The lock is taken before the first look, so what is read within still holds when it is written.
        lasting: wait until the disk has it. Else a killed process loses nothing either, only a power cut may.
        """
        mode = WRITES_LASTING if lasting else WRITES
        with self._told("write"), self._ours, self._engine.connect() as base:
            base = base.execution_options(easel_mode=mode)
            with base.begin():
                for statement in () if self._sqlite else mode.postgresql:
                    base.exec_driver_sql(statement)
                yield base

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _told(self, verb: str) -> Generator[None]:
        try:
            yield
        except (DBAPIError, TimeoutError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            said = " ".join(str(cause).split())
            raise StorageError(f"cannot {verb} the queue {self.name}: {said}; {remedy(said)}.") from error


def open_database(url: str, *, patience: float = PATIENCE) -> Database:
    """Open a database by its URL and make its tables where they are missing; SQLite's folder too.

    patience: seconds to wait for another writer. Raises BadValue for a URL that nobody can read, StorageError where
    the database cannot be opened or is another program's or version's.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BadValue("queue", "an unreadable URL", KINDS) from None  # not shown: it may hold a password
    kind = parsed.drivername.split("+")[0]
    if kind == "sqlite":
        database = Database(sqlite(parsed, patience))
    elif kind in ("postgresql", "postgres"):
        database = Database(postgresql(parsed, patience))
    else:
        raise BadValue("queue", parsed.drivername, KINDS)
    prepare(database)
    return database


def sqlite(url: URL, patience: float) -> Engine:
    """Return an engine for a SQLite file in write-ahead mode; raises BadValue without a file, StorageError."""
    if not url.database or url.database == ":memory:":
        raise BadValue("queue", url.render_as_string(), "a file: a queue in memory would not outlive its server")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder of the queue {url.database}: {error.strerror or error}.") from error
    engine = create_engine(url.set(drivername="sqlite"), connect_args={"timeout": patience})

    def connected(connection: Any, record: object) -> None:
        connection.isolation_level = None  # the driver shall not begin and commit at moments of its own
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")

    def begun(base: Connection) -> None:
        for statement in base.get_execution_options().get("easel_mode", READS).sqlite:
            base.exec_driver_sql(statement)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


def postgresql(url: URL, patience: float) -> Engine:
    """Return an engine for a PostgreSQL database; raises StorageError where its driver is not installed."""
    options = f"-c lock_timeout={int(patience * 1000)}"
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"), connect_args={"options": options}, pool_pre_ping=True
        )
    except ModuleNotFoundError as error:
        raise StorageError(f"PostgreSQL needs {error.name}; `pip install 'easel[postgres]'` brings it.") from error


def prepare(database: Database) -> None:
    """Make tables and indexes where they are missing; raises StorageError where they are of another layout."""
    with database.writing() as base:
        metadata.create_all(base)
        for index in (index for table in metadata.sorted_tables for index in table.indexes):
            index.create(base, checkfirst=True)
        found = base.execute(select(layout.c.number)).scalar()
        if found is None:
            base.execute(insert(layout).values(number=LAYOUT))
    if found not in (None, LAYOUT):
        raise StorageError(
            f"the queue {database.name} has layout {found}, this Easel reads {LAYOUT}; "
            "name another database, or use the Easel that made it."
        )


def remedy(said: str) -> str:
    """Return what to do when a database says something."""
    for sign, advice in (
        ("locked", "another program holds it; try again"),
        ("lock timeout", "another program holds it; try again"),
        ("full", "free some space"),
        ("disk I/O", "look at the disk and the space on it"),
        ("not a database", "name another file"),
        ("readonly", "make the file and its folder writable"),
        ("unable to open", "make the file and its folder readable and writable"),
    ):
        if sign in said:
            return advice
    return "see that the database can be reached"
