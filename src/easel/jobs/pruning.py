"""What is old is forgotten: rows and files together, and never a favourite, nor what waits or runs.

Rows go first, and in the same moment the store notes what their files are named by; then the files go. So nobody is
ever shown a picture that is gone, and a server that dies in between leaves no file that the next does not take away.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import monotonic

from easel.core.amounts import amount
from easel.core.errors import StorageError
from easel.jobs.album import discard
from easel.jobs.history import Old
from easel.jobs.store import Store

DAY = 86400.0  # seconds
AGAIN = 900.0  # seconds between two looks
FRESH = 600.0  # seconds in which who asked for a picture may still fetch it, however little room there is
FEW = 200  # jobs forgotten at a time, so that others may write in between


@dataclass(frozen=True, slots=True)
class Keep:
    """How long and how much is kept. days: since a job ended, 0 for ever; bytes: of pictures, 0 for any number."""

    days: float = 0
    bytes: int = 0


EVERYTHING = Keep()


def keep_of(days: float, size: str, album: Path) -> Keep:
    """Return what two settings say. size: as core/amounts.py reads it, a share being of the album's disk; "" for all.

    Raises ValueError where nobody can read it.
    """
    meant = amount(size) if size.strip() not in ("", "0") else None
    if meant is None or (meant.share is None and meant.bytes is None):
        return Keep(days, 0)
    if meant.bytes is not None:
        return Keep(days, meant.bytes)
    there = next(folder for folder in (album.absolute(), *album.absolute().parents) if folder.exists())
    return Keep(days, max(1, meant.of(shutil.disk_usage(there).total, 0)))


def due(store: Store, keep: Keep, now: float) -> list[Old]:
    """Return the jobs that would be forgotten. now: seconds since 1970."""
    before = now - keep.days * DAY if keep.days else None
    return [one for one in store.prunable(before, keep.bytes or None) if one.ended < now - FRESH]


def prune(store: Store, album: Path, old: list[Old], stopped: Callable[[], bool] = lambda: False) -> int:
    """Forget these jobs with their pictures, and return how many were forgotten; what became a favourite stays.

    stopped: asked now and then; what is left is left for another time. Raises StorageError.
    """
    sweep(store, album)  # of a server that died
    forgotten = 0
    for at in range(0, len(old), FEW):
        if stopped():
            break
        forgotten += store.forget(one.id for one in old[at : at + FEW])
        sweep(store, album)
    return forgotten


def sweep(store: Store, album: Path) -> None:
    """Take away the files of forgotten jobs; raises StorageError."""
    stems = store.leavings()
    for at in range(0, len(stems), FEW):
        few = stems[at : at + FEW]
        for stem in few:
            discard(album, stem)
        store.swept(few)


def steady(wall: Callable[[], float] = time.time, tick: Callable[[], float] = monotonic) -> Iterator[float]:
    """Yield the time, in seconds since 1970, that a clock set forward meanwhile does not bring forward."""
    began, start = wall(), tick()
    for _ in count():
        yield min(wall(), began + tick() - start)


def tidy(store: Store, album: Path, keep: Keep, closing: threading.Event) -> None:
    """Prune at once and then now and then until `closing` is set; trouble with disk or database waits for next time."""
    for now in steady():
        with suppress(StorageError):  # the worker tells of a database in trouble; files are tried again
            prune(store, album, due(store, keep, now), closing.is_set)
        if closing.wait(AGAIN):
            return
