"""One job in the engine, from its claim to its end: followed, its pictures saved, what became of it written down.

Knows its own job only; jobs/worker.py has many of these at once, each in a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import NamedTuple

from easel.core.client import Done, EngineClient, Failed, Previewed, Progressed, Terms, WasCancelled
from easel.core.errors import EaselError, Internal, QueueFull, StorageError, UnknownJob
from easel.core.result import Result
from easel.jobs.album import discard, keep
from easel.jobs.feed import Began, Ended, Feed
from easel.jobs.films import film_at
from easel.jobs.job import ErrorFacts, Job, Kept, facts_of
from easel.jobs.store import Store

PATIENCE = 1.0  # seconds until a database in trouble is asked again
LAST_TRIES = 5  # times that it is asked while the house closes

Outcome = tuple[Kept, ...] | ErrorFacts | None  # pictures, a failure, or neither: the run was cancelled


class House(NamedTuple):
    """What an errand has to do with. worker: in whose name; closing: set when the house closes."""

    store: Store
    client: EngineClient
    album: Path
    feed: Feed
    worker: str
    closing: threading.Event


class Errand:
    """Runs one job; any thread may drop or part with it meanwhile. progress: its last step."""

    def __init__(self, job: Job, house: House) -> None:
        self.job = job
        self.progress: Progressed | None = None
        self.dropped = False
        self._stopped = False
        self._house = house
        self._run: str | None = None
        self._lock = threading.Lock()

    def drop(self) -> None:
        """Stop the run after its step; what comes of it is not kept, for the job is no longer ours."""
        self.dropped = True
        self.stop()

    def stop(self) -> None:
        """Stop the run after its step; pictures that are finished all the same are kept."""
        with self._lock:
            self._stopped, run = True, self._run
        if run is not None:
            self._house.client.cancel(run)

    def perform(self) -> bool:
        """Run the job and write down what became of it; False where the engine was full and it is queued again."""
        house, id = self._house, self.job.id
        house.feed.publish(id, Began(self.job.attempts))
        try:
            outcome = self._follow()
        except QueueFull:
            self._write(lambda: house.store.give_back(house.worker, [id]))
            return False
        except EaselError as error:
            outcome = facts_of(error)
        except Exception as error:  # the thread's edge: whatever happens to a run, its job ends
            outcome = facts_of(Internal(self._run or id, error))
        self._write(lambda: self._settle(outcome))
        return True

    def _follow(self) -> Outcome:
        """Have the engine run the request, tell the news, and return what came of it."""
        house = self._house
        if self._stopped:
            return None
        run = house.client.submit(self.job.request, Terms(self.job.user, self.job.priority))
        with self._lock:
            self._run, stopped = run, self._stopped
        if stopped:
            house.client.cancel(run)
        for event in house.client.events(run):
            match event:
                case Progressed():
                    self.progress = event
                    self._tell(event)
                case Previewed():
                    self._tell(event)
                case Done(result):
                    return self._kept(result)
                case Failed(error):
                    raise error
                case WasCancelled():
                    return None
                case _:
                    pass
        raise RuntimeError("its events broke off")

    def _tell(self, news: Progressed | Previewed) -> None:
        if not self.dropped:
            self._house.feed.publish(self.job.id, news)

    def _kept(self, result: Result) -> Outcome:
        """Save the pictures, and the film of a clip, if the job is still ours."""
        if self.dropped:
            return None
        album, stem, motion = self._house.album, self.job.stem, self.job.request.motion
        kept = keep(album, stem, result.pictures)
        if motion is not None:
            film_at(album, stem, motion, kept)
        return kept

    def _settle(self, outcome: Outcome) -> None:
        """Write down what became of the job, if it is still ours, and tell it. Raises StorageError."""
        house, id = self._house, self.job.id
        if isinstance(outcome, tuple):
            ours = house.store.finish(id, house.worker, outcome)
        elif isinstance(outcome, ErrorFacts) and not house.closing.is_set():
            ours = house.store.fail(id, house.worker, outcome)
        elif self.dropped or house.closing.is_set():
            return  # cancelled, taken over, or given back by the worker that closes
        else:
            house.store.cancel(id)  # someone stopped the run itself
            ours = True
        try:
            job = house.store.get(id)
        except UnknownJob:  # cancelled and forgotten while its files were written
            return discard(house.album, self.job.stem)
        if ours:
            house.feed.publish(id, Ended(job))
        elif job.state == "cancelled":  # while its files were written
            discard(house.album, self.job.stem)

    def _write(self, writing: Callable[[], None]) -> None:
        """Do what needs the database, again and again while that is in trouble; a few times when the house closes."""
        tries = LAST_TRIES
        while tries:
            try:
                return writing()
            except UnknownJob:
                return  # cancelled and forgotten meanwhile
            except StorageError:
                tries -= self._house.closing.is_set()
                sleep(PATIENCE)
