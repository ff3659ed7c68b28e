"""The queue on disk: jobs submitted, found, ended, and what their askers may do with them.

Every answer is given after the disk has what it says. What workers do with jobs stands in jobs/hands.py. Knows no
engine, no files of pictures and no HTTP.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import uuid4

from sqlalchemy import Connection, delete, func, insert, select, update

from easel.core.errors import BadValue, QueueFull, UnknownJob, UnknownName
from easel.core.request import Request
from easel.jobs.database import PATIENCE, Database, open_database
from easel.jobs.hands import MOST_ATTEMPTS, Hands
from easel.jobs.job import ENDED, STATES, Job, Standing, State
from easel.jobs.line import move, places
from easel.jobs.rows import FEW, read_jobs, read_standings, searchable, write_request
from easel.jobs.tables import jobs, pictures, requests

ID = re.compile(r"[A-Za-z0-9_.():-]{1,100}")
PRIORITIES = range(-100, 101)
LONGEST_USER = 200  # characters
MOST_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many jobs may wait: altogether, and of each user."""

    waiting: int = 100_000
    waiting_each: int = 10_000


class Store(Hands):
    """The queue; any thread may use it, and any number of processes their own store of the same database.

    stirred: set whenever something was asked of the queue in this process, for the worker that waits.
    `user` as None stands for whoever may see everything.
    """

    def __init__(self, database: Database, bounds: Bounds, clock: Callable[[], float], most_attempts: int) -> None:
        super().__init__(database, clock, most_attempts)
        self._bounds = bounds
        self.stirred = threading.Event()

    def submit(self, request: Request, user: str = "", priority: int = 0, id: str | None = None) -> Job:
        """Keep a request, its seeds drawn, and return its job, which is on disk then.

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
            self._refuse_too_many(base, user)
            number = (base.execute(select(func.max(jobs.c.number))).scalar() or 0) + 1
            kept = {name: getattr(job, name) for name in ("id", "user", "state", "priority", "created", "stem")}
            base.execute(insert(jobs).values(number=number, rank=number, attempts=0, **kept))
            write_request(base, number, job.id, settled)
            job = replace(job, place=places(base, [number])[number])
        self.stirred.set()
        return job

    def get(self, id: str, user: str | None = None) -> Job:
        """Return a job. Raises UnknownJob, also for another user's."""
        with self._base.reading() as base:
            return read_jobs(base, [number_of(base, id, user)])[0]

    def list(
        self,
        user: str | None = None,
        states: Iterable[State] = (),
        search: str = "",
        before: str | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Return jobs, the latest first.

        states: only these, all where empty. search: words that all stand in prompt, negative prompt, model or id.
        before: the id of a job that came later, for the next page. Raises BadValue, UnknownName, UnknownJob.
        """
        if not 1 <= limit <= MOST_LISTED:
            raise BadValue("limit", limit, f"1 to {MOST_LISTED}")
        wanted = checked(states)
        question = select(jobs.c.number).order_by(jobs.c.number.desc()).limit(limit)
        if user is not None:
            question = question.where(jobs.c.user == user)
        if wanted:
            question = question.where(jobs.c.state.in_(wanted))
        if words := searchable(search).split():
            question = question.join(requests)
            for word in words:
                question = question.where(requests.c.words.contains(word, autoescape=True))
        with self._base.reading() as base:
            if before is not None:
                question = question.where(jobs.c.number < number_of(base, before, user))
            return read_jobs(base, list(base.execute(question).scalars()))

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

    def prunable(self, ended_before: float | None = None, most_bytes: int | None = None) -> list[Job]:
        """Return the ended jobs that are too old, or whose pictures are more than `most_bytes` with the later ones.

        ended_before: seconds since 1970. The latest to end are kept first; jobs that wait or run are never named.
        """
        size = func.coalesce(func.sum(pictures.c.bytes), 0)
        question = (
            select(jobs.c.number, jobs.c.ended, size.label("size"))
            .outerjoin(pictures)
            .where(jobs.c.state.in_(ENDED))
            .group_by(jobs.c.number, jobs.c.ended)
            .order_by(jobs.c.ended.desc(), jobs.c.number.desc())
        )
        with self._base.reading() as base:
            chosen: list[int] = []
            room = most_bytes
            for row in base.execute(question):
                room = None if room is None else room - int(row.size)
                old = ended_before is not None and row.ended < ended_before
                if old or (room is not None and room < 0):
                    chosen.append(row.number)
            return read_jobs(base, chosen)

    def forget(self, ids: Iterable[str]) -> None:
        """Take ended jobs out of the history; others stay."""
        with self._base.writing() as base:
            for id in ids:
                base.execute(delete(jobs).where(jobs.c.id == id, jobs.c.state.in_(ENDED)))

    def close(self) -> None:
        """Close the database."""
        self._base.close()

    def _refuse_too_many(self, base: Connection, user: str) -> None:
        """Raise QueueFull where one more would be too many."""
        waiting = select(func.count()).where(jobs.c.state == "queued")
        for most, whose, question in (
            (self._bounds.waiting_each, "of yours", waiting.where(jobs.c.user == user)),
            (self._bounds.waiting, "of everybody", waiting),
        ):
            if base.execute(question).scalar_one() >= most:
                raise QueueFull(f"{most} jobs {whose} wait, and that is the most; let some end, or cancel some.")


def open_store(
    url: str,
    *,
    bounds: Bounds = Bounds(),
    clock: Callable[[], float] = time.time,
    patience: float = PATIENCE,
    most_attempts: int = MOST_ATTEMPTS,
) -> Store:
    """Open the queue at a URL, sqlite:///FILE or postgresql://...; what is missing is made.

    clock: seconds since 1970, for what people are told; nothing is decided by it. patience: seconds to wait for
    another writer. most_attempts: see Hands. Raises BadValue for a bad URL, StorageError.
    """
    return Store(open_database(url, patience=patience), bounds, clock, most_attempts)


def number_of(base: Connection, id: str, user: str | None) -> int:
    """Return the number of a job that a user may see; raises UnknownJob."""
    theirs = [] if user is None else [jobs.c.user == user]
    number = base.execute(select(jobs.c.number).where(jobs.c.id == id, *theirs)).scalar()
    if number is None:
        raise UnknownJob(id)
    return number


def checked(states: Iterable[State]) -> tuple[State, ...]:
    """Return names of states; raises UnknownName for what is none."""
    wanted = tuple(states)
    for state in wanted:
        if state not in STATES:
            raise UnknownName("state", state, STATES)
    return wanted
