"""What was read of model files, kept between processes: one SQLite file in the user's cache folder.

A cache and nothing more. It may be lost, foreign, broken or not writable at any time, and then files are read again;
so every function here answers without raising. SQLite because several processes may write at once, and because of ten
thousand files one is changed without writing the others. Knows rows and no files; who fills it knows what they say.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

LAYOUT = 1  # of the tables below; another layout is another file, so that two versions of Easel get on
OURS = 0x4561736C  # "Easl": what SQLite calls the application's id, by which a file of another program is told
PATIENCE = 2.0  # seconds to wait for another process that writes
TABLES = (
    """CREATE TABLE files (
        path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, reader TEXT,
        kind TEXT, family TEXT, words TEXT, facts TEXT, fault TEXT, message TEXT) WITHOUT ROWID""",
    "CREATE TABLE hashes (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, sha256 TEXT) WITHOUT ROWID",
    "CREATE INDEX hashes_by_sha256 ON hashes (sha256)",
)

Answer = TypeVar("Answer")


class Row(NamedTuple):
    """What was read of one file or folder, as long as its size and time of change are these.

    reader: which code read it. kind: "" where it could not be recognised. facts: an identity as JSON, "" where fault
    and message say which error stood in its place. family, words: of the identity, so that a list need not read facts.
    """

    path: str
    size: int
    changed: int
    reader: str
    kind: str
    family: str
    words: str
    facts: str
    fault: str
    message: str


class Hashed(NamedTuple):
    """The SHA-256 of one file's bytes in hex, as long as its size and time of change are these."""

    path: str
    size: int
    changed: int
    sha256: str


def index_file() -> Path:
    """Return where the index is kept, in Easel's part of the cache folder. Raises RuntimeError without a home."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "easel" / f"models-{LAYOUT}.sqlite"


def rows(reader: str) -> list[Row]:
    """Return what `reader` has read; nothing where the index cannot be read."""
    query = "SELECT * FROM files WHERE reader = ?"
    return asked(lambda base: [Row._make(row) for row in base.execute(query, (reader,))], [])


def keep(read: Iterable[Row], gone: Iterable[str] = ()) -> None:
    """Keep rows, and forget the files at the paths `gone`, in one move; where that is impossible nothing is kept."""
    rows = [row for row in read if storable(row.path)]
    lost = [(path,) for path in gone if storable(path)]

    def write(base: sqlite3.Connection) -> None:
        base.executemany(f"INSERT OR REPLACE INTO files VALUES ({', '.join('?' * len(Row._fields))})", rows)
        base.executemany("DELETE FROM files WHERE path = ?", lost)
        base.executemany("DELETE FROM hashes WHERE path = ?", lost)

    if rows or lost:
        asked(write, None)


def hashes_of(paths: Iterable[str]) -> dict[str, Hashed]:
    """Return the hashes that are known of files, by path."""
    query, known = "SELECT * FROM hashes WHERE path = ?", [path for path in paths if storable(path)]
    return asked(
        lambda base: {found[0]: Hashed(*found) for path in known for found in base.execute(query, (path,))}, {}
    )


def paths() -> list[str]:
    """Return the paths of everything that is kept."""
    query = "SELECT path FROM files UNION SELECT path FROM hashes"
    return asked(lambda base: [path for (path,) in base.execute(query)], [])


def hashes_like(digits: str) -> list[Hashed]:
    """Return the files whose SHA-256 begins with some hex digits in small letters."""
    query = "SELECT * FROM hashes WHERE sha256 >= ? AND sha256 < ? ORDER BY path"
    return asked(lambda base: [Hashed(*row) for row in base.execute(query, (digits, f"{digits}g"))], [])


def keep_hashes(found: Iterable[Hashed]) -> None:
    """Keep hashes; where that is impossible they are computed again another time."""
    kept = [one for one in found if storable(one.path)]
    if kept:
        asked(lambda base: base.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", kept), None)


def storable(path: str) -> bool:
    """Return whether a path can be kept: some file systems have names that are no text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def asked(question: Callable[[sqlite3.Connection], Answer], otherwise: Answer) -> Answer:
    """Return what the index answers, `otherwise` where it cannot; what is no index of ours is made anew, once."""
    for _ in range(2):
        try:
            file = index_file()
            with opened(file) as base:
                return question(base)
        except sqlite3.OperationalError:  # locked, read-only, full: what is there may be sound
            return otherwise
        except sqlite3.DatabaseError:
            remove(file)
        except (OSError, RuntimeError):
            return otherwise
    return otherwise


@contextmanager
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    """Open the index for one question, and keep what was written when that ended well. Raises sqlite3's errors.

    Opened each time: a connection belongs to one thread and does not survive a fork, and opening takes a millisecond.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)) as base:
        if base.execute("PRAGMA application_id").fetchone() != (OURS,):
            begin_anew(base)
        base.execute("PRAGMA synchronous = OFF")  # a power cut may cost the cache, and no more
        base.execute("BEGIN")
        yield base
        base.execute("COMMIT")


def begin_anew(base: sqlite3.Connection) -> None:
    """Make the tables in an empty file. Raises DatabaseError where it is another program's."""
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("BEGIN IMMEDIATE")
    if base.execute("PRAGMA application_id").fetchone() != (OURS,):  # another process may just have been here
        if base.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            raise sqlite3.DatabaseError("another program's")
        for table in TABLES:
            base.execute(table)
        base.execute(f"PRAGMA application_id = {OURS}")
    base.execute("COMMIT")


def remove(file: Path) -> None:
    """Take away an index that cannot be read, and what SQLite keeps beside it."""
    for path in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
        with suppress(OSError):
            path.unlink(missing_ok=True)
