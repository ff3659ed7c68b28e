"""The queue on disk: jobs submitted, found, ended, and what their askers may do with them.

Every answer is given after the disk has what it says. What workers do with jobs stands in jobs/hands.py, what is told
of the past in jobs/history.py and jobs/showing.py, what users have set in jobs/options.py, what was asked before in
jobs/repeats.py. Knows no engine, no files of pictures, no HTTP.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from uuid import uuid4

from sqlalchemy import Connection, func, insert, select, update

from easel.core.errors import BadValue, QueueFull
from easel.core.request import Request
from easel.jobs.bounds import USUAL, Bounds
from easel.jobs.database import PATIENCE, Database, open_database
from easel.jobs.hands import MOST_ATTEMPTS, Hands, beat
from easel.jobs.history import History, number_of
from easel.jobs.job import STATES, Job, Standing, State
from easel.jobs.line import move, places
from easel.jobs.options import Options
from easel.jobs.repeats import Repeats, digest_of, write_repeat
from easel.jobs.rows import FEW, read_jobs, read_standings, write_request
from easel.jobs.showing import Showing
from easel.jobs.tables import jobs

ID = re.compile(r"[A-Za-z0-9_.():-]{1,100}")
PRIORITIES = range(-100, 101)
LONGEST_USER = 200  # characters


class Store(Hands, History, Options, Repeats, Showing):
    """The queue; any thread may use it, and any number of processes their own store of the same database.

    stirred: set whenever something was asked of the queue in this process, for the worker that waits.
    `user` as None stands for whoever may see everything.
    """

    def __init__(self, database: Database, bounds: Bounds, clock: Callable[[], float], most_attempts: int) -> None:
        super().__init__(database, clock, most_attempts, bounds.running_each)
        self._bounds = bounds
        self.stirred = threading.Event()

    def submit(
        self,
        request: Request,
        user: str = "",
        priority: int = 0,
        id: str | None = None,
        *,
        circumstances: str = "",
        worker: str | None = None,
    ) -> Job:
        """Keep a request, its seeds drawn, and return its job, which is on disk then.

        circumstances: what its pictures depend on besides, see api/circumstances.py; "" where it is never repeated.
        worker: who has it at once, however many wait; nobody where left out.
        Raises BadValue for an id that is taken or no id, QueueFull, StorageError.
        """
        if id is not None and not ID.fullmatch(id):
            raise BadValue("id", id, "1 to 100 letters, digits and _ . ( ) : -")
        if priority not in PRIORITIES:
            raise BadValue("priority", priority, f"{PRIORITIES[0]} to {PRIORITIES[-1]}")
        if not user.isprintable() or len(user) > LONGEST_USER:
            raise BadValue("user", user, f"at most {LONGEST_USER} printable characters")
        settled, now, own = request.settled(), self._clock(), uuid4().hex
        stem = f"{date.fromtimestamp(now).isoformat()}/{own}"
        job = Job(id=id or own, user=user, state="queued", request=settled, priority=priority, created=now, stem=stem)
        with self._base.writing() as base:
            if id is not None and base.execute(select(jobs.c.id).where(jobs.c.id == id)).first():
                raise BadValue("id", id, "one that no other job has")
            if worker is None:
                self._refuse_too_many(base, user)
            number = (base.execute(select(func.max(jobs.c.number))).scalar() or 0) + 1
            kept = {name: getattr(job, name) for name in ("id", "user", "state", "priority", "created", "stem")}
            base.execute(insert(jobs).values(number=number, rank=number, attempts=0, **kept))
            write_request(base, number, job.id, settled)
            if circumstances:
                write_repeat(base, number, digest_of(settled, user, circumstances))
            if worker is None:
                job = replace(job, place=places(base, [number])[number])
            else:
                beat(base, worker)
                taken = {"state": "running", "worker": worker, "started": now, "attempts": 1}
                base.execute(update(jobs).where(jobs.c.number == number).values(**taken))
                job = read_jobs(base, [number])[0]
        self.stirred.set()
        return job

    def get(self, id: str, user: str | None = None) -> Job:
        """Return a job. Raises UnknownJob, also for another user's."""
        with self._base.reading() as base:
            return read_jobs(base, [number_of(base, id, user)])[0]

    def ahead(self, id: str, user: str | None = None) -> int:
        """Return how many jobs go before a waiting one, 0 for any other. Raises UnknownJob."""
        with self._base.reading() as base:
            number = number_of(base, id, user)
            return places(base, [number]).get(number, 0)

    def standings(self, ids: Sequence[str]) -> dict[str, Standing]:
        """Return where jobs stand, by id; ids that no job has are left out."""
        with self._base.reading() as base:
            return {id: one for at in range(0, len(ids), FEW) for id, one in read_standings(base, ids[at : at + FEW])}

    def counts(self) -> dict[State, int]:
        """Return how many jobs are in each state."""
        with self._base.reading() as base:
            rows = base.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)).all()
        found = {state: number for state, number in rows}
        return {state: found.get(state, 0) for state in STATES}

    def cancel(self, id: str, user: str | None = None) -> Job:
        """End a job that waits or runs, at once and for good, and return it; one that has ended stays as it is.

        Its worker hears of it within a moment, and what it makes meanwhile is not kept. Raises UnknownJob.
        """
        with self._base.writing() as base:
            number = number_of(base, id, user)
            self._end(base, number, state="cancelled", among=("queued", "running"))
            job = read_jobs(base, [number])[0]
        self.stirred.set()
        return job

    def retry(self, id: str, user: str | None = None) -> Job:
        """Queue a failed or cancelled job again, behind its user's others; raises UnknownJob, BadValue, QueueFull."""
        with self._base.writing() as base:
            number = number_of(base, id, user)
            job = read_jobs(base, [number])[0]
            if job.state not in ("failed", "cancelled"):
                raise BadValue(f"state of job {id}", job.state, "failed or cancelled for a retry")
            self._refuse_too_many(base, job.user)
            last = base.execute(select(func.max(jobs.c.rank))).scalar() or 0
            fresh = {"started": None, "ended": None, "error": None, "progress": None, "worker": None, "attempts": 0}
            base.execute(update(jobs).where(jobs.c.number == number).values(state="queued", rank=last + 1, **fresh))
            job = read_jobs(base, [number])[0]
        self.stirred.set()
        return job

    def move(self, id: str, place: int, user: str | None = None) -> Job:
        """Give a waiting job a place, 0 the first, among the waiting jobs of its user and priority, and return it.

        Raises UnknownJob, BadValue where it does not wait.
        """
        if place < 0:
            raise BadValue("place", place, "0, the first, or more")
        with self._base.writing() as base:
            number = number_of(base, id, user)
            job = read_jobs(base, [number])[0]
            if job.state != "queued":
                raise BadValue(f"state of job {id}", job.state, "queued for a move")
            move(base, number, place)
            return read_jobs(base, [number])[0]

    def close(self) -> None:
        """Close the database."""
        self._base.close()

    def _refuse_too_many(self, base: Connection, user: str) -> None:
        """Raise QueueFull where one more would be too many."""
        waiting = select(func.count()).where(jobs.c.state == "queued")
        both = select(waiting.where(jobs.c.user == user).scalar_subquery(), waiting.scalar_subquery())
        own, everybody = base.execute(both).one()
        for most, whose, number in (
            (self._bounds.waiting_each, "of yours", own),
            (self._bounds.waiting, "of everybody", everybody),
        ):
            if number >= most:
                raise QueueFull(f"{most} jobs {whose} wait, and that is the most; let some end, or cancel some.")


def open_store(
    url: str,
    *,
    bounds: Bounds = USUAL,
    clock: Callable[[], float] = time.time,
    patience: float = PATIENCE,
    most_attempts: int = MOST_ATTEMPTS,
) -> Store:
    """Open the queue at a URL, sqlite:///FILE or postgresql://...; what is missing is made.

    clock: seconds since 1970, for what people are told; nothing is decided by it. patience: seconds to wait for
    another writer. most_attempts: see Hands. Raises BadValue for a bad URL, StorageError.
    """
    return Store(open_database(url, patience=patience), bounds, clock, most_attempts)
