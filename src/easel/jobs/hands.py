"""What workers do with the jobs of the queue: take one, show that they live, end it, give it back.

Whoever ends a job must still hold it, so however often one was run, one answer is kept. No clock decides here: a
worker's beats are a count, and jobs/leases.py tells by it who has fallen silent. Nothing here waits for the disk: what
a power cut takes away, the job runs again from its seed to the same bits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, delete, func, insert, select, update

from easel.core.client import Progressed
from easel.jobs.database import Database
from easel.jobs.job import ErrorFacts, Job, Kept
from easel.jobs.line import first, take_turn
from easel.jobs.rows import read_jobs, write_pictures
from easel.jobs.tables import jobs, workers

MOST_ATTEMPTS = 10


class Hands:
    """The workers' side of a store.

    most_attempts: how often a job is begun at most; whatever ends its server each time shall not do so for ever.
    running_each: how many jobs of one user run at once at most, over all workers; 0 for any number.
    """

    def __init__(
        self, database: Database, clock: Callable[[], float], most_attempts: int, running_each: int = 0
    ) -> None:
        self._base = database
        self._clock = clock
        self._most_attempts = most_attempts
        self._running_each = running_each

    def claim(self, worker: str) -> Job | None:
        """Give the job that goes next to a worker, None where none waits that may run now."""
        with self._base.writing(lasting=False) as base:
            one = first(base, self._running_each)
            if one is None:
                return None
            beat(base, worker)
            started = not_before(jobs.c.created, self._clock())
            taken = {"state": "running", "worker": worker, "attempts": jobs.c.attempts + 1, "progress": None}
            base.execute(update(jobs).where(jobs.c.number == one.number).values(started=started, **taken))
            take_turn(base, one.user, one.priority)
            return read_jobs(base, [one.number])[0]

    def heartbeat(self, worker: str, progress: Mapping[str, Progressed]) -> frozenset[str]:
        """Show that a worker lives and how far its jobs are, by id; return the jobs that it still holds."""
        with self._base.writing(lasting=False) as base:
            beat(base, worker)
            for id, step in progress.items():
                base.execute(update(jobs).where(*held(id, worker)).values(progress=json.dumps(asdict(step))))
            return held_by(base, worker)

    def holds(self, worker: str) -> frozenset[str]:
        """Return the jobs that a worker holds."""
        with self._base.reading() as base:
            return held_by(base, worker)

    def finish(self, id: str, worker: str, pictures: Sequence[Kept]) -> bool:
        """End a job as done with its pictures; False, and nothing is kept, where the worker no longer holds it."""
        with self._base.writing(lasting=False) as base:
            number = base.execute(select(jobs.c.number).where(*held(id, worker))).scalar()
            if number is None:
                return False
            self._end(base, number, state="done")
            write_pictures(base, number, pictures)
            return True

    def fail(self, id: str, worker: str, error: ErrorFacts) -> bool:
        """End a job as failed; False where the worker no longer holds it."""
        with self._base.writing(lasting=False) as base:
            number = base.execute(select(jobs.c.number).where(*held(id, worker))).scalar()
            if number is None:
                return False
            self._end(base, number, state="failed", error=json.dumps(asdict(error)))
            return True

    def give_back(self, worker: str, ids: Iterable[str]) -> None:
        """Queue jobs again that a worker could not begin or may not go on with, at their old places."""
        with self._base.writing(lasting=False) as base:
            for id in ids:
                again = {"state": "queued", "worker": None, "progress": None, "attempts": jobs.c.attempts - 1}
                base.execute(update(jobs).where(*held(id, worker)).values(**again))

    def beats(self) -> dict[str, int]:
        """Return how often each worker has shown that it lives."""
        with self._base.reading() as base:
            return {row.name: row.beats for row in base.execute(select(workers))}

    def release(self, worker: str, beats: int) -> list[str]:
        """Queue again what a silent worker held, if its count is still `beats`, and return the ids.

        What was begun `most_attempts` times fails instead.
        """
        with self._base.writing(lasting=False) as base:
            silent = base.execute(delete(workers).where(workers.c.name == worker, workers.c.beats == beats)).rowcount
            if not silent:
                return []
            theirs = select(jobs.c.number, jobs.c.id, jobs.c.attempts)
            rows = base.execute(theirs.where(jobs.c.state == "running", jobs.c.worker == worker)).all()
            for row in rows:
                if row.attempts >= self._most_attempts:
                    message = f"the server ended {row.attempts} times while this job ran; ask for less, or retry it."
                    facts = ErrorFacts("ResourceError", message)
                    self._end(base, row.number, state="failed", error=json.dumps(asdict(facts)))
                else:
                    again = {"state": "queued", "worker": None, "progress": None}
                    base.execute(update(jobs).where(jobs.c.number == row.number).values(**again))
            return [row.id for row in rows]

    def leave(self, worker: str) -> None:
        """Sign a worker off that holds nothing more."""
        with self._base.writing(lasting=False) as base:
            base.execute(delete(workers).where(workers.c.name == worker))

    def _end(self, base: Connection, number: int, *, among: Sequence[str] = ("running",), **values: Any) -> None:
        """Write how a job ended, if it is in one of the states `among`."""
        ended = not_before(func.coalesce(jobs.c.started, jobs.c.created), self._clock())
        where = (jobs.c.number == number, jobs.c.state.in_(among))
        base.execute(update(jobs).where(*where).values(ended=ended, progress=None, **values))


def not_before(earlier: ColumnElement[Any], now: float) -> ColumnElement[Any]:
    """Return now, or what was earlier where the clock was set back since: no job takes less than no time."""
    return case((earlier > now, earlier), else_=now)


def beat(base: Connection, worker: str) -> None:
    """Count one more beat of a worker, who is signed on with the first."""
    if not base.execute(update(workers).where(workers.c.name == worker).values(beats=workers.c.beats + 1)).rowcount:
        base.execute(insert(workers).values(name=worker, beats=1))


def held(id: str, worker: str) -> tuple[Any, ...]:
    """Return the condition that a worker holds a job."""
    return jobs.c.id == id, jobs.c.state == "running", jobs.c.worker == worker


def held_by(base: Connection, worker: str) -> frozenset[str]:
    """Return the ids of the jobs that a worker holds."""
    theirs = select(jobs.c.id).where(jobs.c.state == "running", jobs.c.worker == worker)
    return frozenset(base.execute(theirs).scalars())
