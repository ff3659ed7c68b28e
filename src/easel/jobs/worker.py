"""The worker: takes jobs from the store, has several run in the engine at once, and watches over all of it.

It speaks with a store, a client and a folder, and knows nothing of models, HTTP or SQL.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic
from uuid import uuid4

from easel.core.client import EngineClient
from easel.core.errors import StorageError
from easel.jobs.errand import Errand, House
from easel.jobs.feed import Feed
from easel.jobs.job import Job
from easel.jobs.leases import Leases
from easel.jobs.pruning import EVERYTHING, Keep, tidy
from easel.jobs.store import Store
from easel.jobs.telling import Herald

AT_ONCE = 16  # jobs: enough rows for wide forwards; the rest waits where others can still go before it
LEASE = 15.0  # seconds; loading a large model may hold everything else up for some
BEATS = 5  # in one lease
TICK = 0.5  # seconds between looks when nothing stirs
REST = 9  # times as long as telling the news took, until they are told again
PAUSE = 1.0  # seconds until a full engine or a database in trouble is asked again
PARTING = 30.0  # seconds that running steps are given to end when the worker closes


class Worker:
    """Serves one store with one client from start() to close().

    album: folder of finished pictures. at_once: jobs in the engine at most. lease: seconds after which the jobs of a
    worker that gives no sign of life are run again. keep: what is not forgotten when it is old. trouble: what is wrong
    with the database, None when all is well.
    """

    def __init__(
        self,
        store: Store,
        client: EngineClient,
        album: Path,
        feed: Feed | None = None,
        *,
        at_once: int = AT_ONCE,
        lease: float = LEASE,
        keep: Keep = EVERYTHING,
    ) -> None:
        self.name = uuid4().hex[:12]
        self.feed = feed or Feed()
        self.trouble: StorageError | None = None
        self._store = store
        self._at_once = at_once
        self._lease = lease
        self._leases = Leases(lease)
        self._herald = Herald(store, self.feed)
        self._closing = threading.Event()
        self._house = House(store, client, album, self.feed, self.name, self._closing)
        self._errands: dict[Errand, threading.Thread] = {}
        self._lock = threading.Lock()
        self._next_beat = self._next_claim = self._next_census = self._next_news = 0.0
        self._threads = (
            threading.Thread(target=self._serve, name="easel-worker", daemon=True),
            threading.Thread(target=tidy, args=(store, album, keep, self._closing), name="easel-pruning", daemon=True),
        )

    def start(self) -> None:
        """Begin to take jobs, and to forget what is old."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop what runs after its step and give it back to the queue; pictures that are finished are kept."""
        self._closing.set()
        self._store.stirred.set()
        for thread in self._threads:
            thread.join()
        until = monotonic() + PARTING
        for errand in self._running():
            errand.stop()
        while (running := self._running()) and (left := until - monotonic()) > 0:
            with suppress(StorageError):
                self._store.heartbeat(self.name, {})  # or another worker would take what we are about to save
            next(iter(running.values())).join(min(left, self._lease / BEATS))
        with suppress(StorageError):  # then another worker will find us silent
            self._store.give_back(self.name, self._store.holds(self.name))
            self._store.leave(self.name)

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._store.stirred.clear()
            try:
                self._look()
            except StorageError as error:  # what runs goes on, and what waits is asked for again
                self.trouble = error
                self._closing.wait(PAUSE)
            else:
                self.trouble = None
                self._store.stirred.wait(TICK)

    def _look(self) -> None:
        """Show that we live, drop what is no longer ours, free what the silent held, take what waits, tell the news."""
        self._mind_our_own()
        self._free_the_silent()
        while len(self._errands) < self._at_once and monotonic() >= self._next_claim:
            job = self._store.claim(self.name)
            if job is None:
                break
            self._begin(job)
        self._tell_news()

    def _free_the_silent(self) -> None:
        """Queue again what workers hold that give no sign of life; seen at every tick, however much stirs."""
        if monotonic() < self._next_census:
            return
        self._next_census = monotonic() + TICK
        others = {name: beats for name, beats in self._store.beats().items() if name != self.name}
        for name, beats in self._leases.silent(others).items():
            self._store.release(name, beats)

    def _tell_news(self) -> None:
        """Tell where what waits stands; a thousand listeners at every stir would leave no time for anything else."""
        began = monotonic()
        if began >= self._next_news:
            self._herald.tell({errand.job.id for errand in self._running() if not errand.dropped})
            self._next_news = monotonic() + REST * (monotonic() - began)

    def _mind_our_own(self) -> None:
        """Show that we live where it is time, and drop the jobs that were cancelled or taken from us."""
        running = self._running()
        if not running:
            return
        if monotonic() >= self._next_beat:
            steps = {errand.job.id: errand.progress for errand in running if errand.progress}
            held = self._store.heartbeat(self.name, steps)
            self._next_beat = monotonic() + self._lease / BEATS
        else:
            held = self._store.holds(self.name)
        for errand in running:
            if errand.job.id not in held:
                errand.drop()

    def _begin(self, job: Job) -> None:
        """Have a job run in a thread of its own, for following a run waits."""
        errand = Errand(job, self._house)
        thread = threading.Thread(target=self._perform, args=(errand,), name=f"easel-job-{job.id}", daemon=True)
        with self._lock:
            self._errands[errand] = thread
        thread.start()

    def _perform(self, errand: Errand) -> None:
        if not errand.perform():
            self._next_claim = monotonic() + PAUSE
        with self._lock:
            del self._errands[errand]
        self.feed.forget(errand.job.id)
        self._store.stirred.set()

    def _running(self) -> dict[Errand, threading.Thread]:
        with self._lock:
            return dict(self._errands)
