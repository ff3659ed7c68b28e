"""Many files as one zip, made while it is sent: stored, for pictures do not shrink, and never whole in memory.

Knows files by the names they get in the zip. Who may have which stands elsewhere.
"""

from __future__ import annotations

import io
import os
import stat
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

CHUNK = 2**18  # bytes read from a file at once
MISSING = "missing.txt"
LONGEST_PART = 60  # characters
EARLIEST = (1980, 1, 1, 0, 0, 0)  # a zip knows no time before


class Outlet(io.RawIOBase):
    """Where a zip is written to: it holds what was written since it was last emptied."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()

    def writable(self) -> bool:
        """Return that it can be written to; it can neither be read nor sought."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Take some bytes."""
        view = memoryview(data)
        self._held += view
        return view.nbytes

    def emptied(self) -> bytes:
        """Return what is held, and hold nothing."""
        held = bytes(self._held)
        self._held.clear()
        return held


def zipped(files: Iterable[tuple[str, Path]]) -> Iterator[bytes]:
    """Yield a zip of these files, by the names that they get in it, piece by piece; a few hundred kB are held at most.

    What is no file by now, or cannot be read, is left out and named in missing.txt at the end.
    """
    outlet = Outlet()
    missing: list[str] = []
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:
        for name, path in files:
            try:
                opened = path.open("rb")
            except OSError as error:
                missing.append(f"{name}: {(error.strerror or str(error)).lower()}")
                continue
            with opened, archive.open(entry_of(name, os.fstat(opened.fileno())), "w") as target:
                while piece := opened.read(CHUNK):
                    target.write(piece)
                    yield outlet.emptied()
            yield outlet.emptied()
        if missing:
            archive.writestr(MISSING, "\n".join(("These files are no longer there:", *missing, "")))
    yield outlet.emptied()


def entry_of(name: str, facts: os.stat_result) -> zipfile.ZipInfo:
    """Return what a zip says of a file before its bytes."""
    entry = zipfile.ZipInfo(name, max(EARLIEST, time.localtime(facts.st_mtime)[:6]))
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    entry.file_size = facts.st_size  # so that files of 4 GiB and more are announced as such
    return entry


def safe_part(text: str) -> str:
    """Return text as a folder's name that every system takes; "all" where nothing is left of it."""
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in text).strip(".")
    return plain[:LONGEST_PART] or "all"
