"""A request that comes again is answered with the pictures that its asker has of it: nothing is drawn.

Between the store, which knows what was asked, and the album, which has the files.
"""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from easel.core.errors import StorageError, UnknownJob
from easel.core.request import Request
from easel.core.version import version
from easel.jobs.album import discard, keep_again, stands
from easel.jobs.job import Job
from easel.jobs.store import Store

MARK = "Version: Easel "  # how an infotext says what drew it


def answered(
    store: Store, album: Path, request: Request, user: str, priority: int, id: str | None, circumstances: str
) -> Job | None:
    """Return a new job that is done, its pictures files of its own; None where the request must be drawn.

    Only for a request whose seeds are given. If this process dies in the middle, a worker finds the job and draws it.
    Raises what Store.submit() raises.
    """
    if request.settled() is not request:
        return None
    alike = store.done_alike(request, user, circumstances)
    earlier = next((job for job in alike if holds(album, job)), None)
    if earlier is None:
        return None
    worker = f"repeat-{uuid4().hex[:12]}"
    job = store.submit(request, user, priority, id, circumstances=circumstances, worker=worker)
    try:
        kept = keep_again(album, job.stem, earlier.pictures)
    except StorageError:  # taken away in this very moment, or the disk is full: then it is drawn
        store.give_back(worker, [job.id])
        store.stirred.set()
    else:
        ours = store.finish(job.id, worker, kept)
        if not ours and ended_otherwise(store, job.id):
            discard(album, job.stem)
    store.leave(worker)
    return store.get(job.id)


def holds(album: Path, job: Job) -> bool:
    """Return whether a job's pictures all stand and were drawn by this version of Easel."""
    ours = all(version_in(one.infotext) in ("", version()) for one in job.pictures)
    return bool(job.pictures) and ours and all(stands(album, one) for one in job.pictures)


def version_in(infotext: str) -> str:
    """Return which Easel an infotext names, "" for none."""
    return infotext.rpartition(MARK)[2].partition(",")[0].strip() if MARK in infotext else ""


def ended_otherwise(store: Store, id: str) -> bool:
    """Return whether a job was cancelled, or is forgotten, so that nobody else will write its files."""
    try:
        return store.get(id).state == "cancelled"
    except UnknownJob:
        return True
