"""What pictures depend on besides their requests: this Easel, its settings, and the files of models that stand here.

Files are told apart by place, size and times, so nothing is read. Knows no requests: a file that a request does not
name may still be meant by a word of it, so every file counts.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from stat import S_ISDIR
from time import monotonic

from easel.core.settings import Settings
from easel.core.version import version
from easel.models.library.names import Library

FRESH = 2.0  # seconds for which what was told may be told again
REST = 50  # times as long as the look took, before another look that nobody waits for
# Settings that say where things are kept, or how much; no picture depends on them.
APART = {"outputs", "styles", "wildcards", "keep_days", "keep_bytes", "running_each", "vram", "ram"}


class Circumstances:
    """Tells them as one text, which changes when any of them does. Any thread may ask.

    What was told a while ago may be kept with a job without harm: it equals what is told later only where no file
    changed from then until later, and the job was drawn in between.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told = ""
        self._until = 0.0

    def told(self, library: Library, settings: Settings, *, now: bool) -> str:
        """Return the circumstances as hex digits. now: as they are this moment, else as they were a moment ago."""
        with self._lock:
            began = monotonic()
            if now or began >= self._until:
                if now:
                    library.refresh()
                self._told = digest(library, settings, version())
                self._until = monotonic() + max(FRESH, REST * (monotonic() - began))
            return self._told


def digest(library: Library, settings: Settings, version: str) -> str:
    """Return one digest of a version of Easel, of settings, and of the library's files."""
    found = hashlib.sha256(f"{version}\n{settings.model_dump_json(exclude=APART)}\n".encode())
    for path, changed in sorted({(entry.found.path, entry.found.changed) for entry in library.entries()}):
        for facts in (f"{path}\0{changed}", *facts_of(path)):
            found.update(f"{facts}\n".encode(errors="surrogateescape"))
    return found.hexdigest()


def facts_of(path: str) -> Iterator[str]:
    """Yield what tells a file, or every file of a folder, from what may take its place: size, times, number."""
    try:
        facts = os.stat(path)
    except OSError:  # gone in this moment, or a link to nothing
        yield f"{path}\0gone"
        return
    if not S_ISDIR(facts.st_mode):
        yield f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_ctime_ns}\0{facts.st_ino}"
        return
    for folder, folders, files in os.walk(path):  # goes into no linked folders, which may lead in a circle
        folders.sort()
        for name in sorted(files):
            yield from facts_of(os.path.join(folder, name))
