"""What happens to jobs, told as it happens to whoever listens, in the memory of this process.

All listeners of a job share one record of it, so that a thousand of them cost little; who comes late hears the latest
news first. Knows nothing of stores and engines: jobs/worker.py tells, jobs/following.py listens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from easel.core.client import Previewed, Progressed, Queued
from easel.jobs.job import Job


@dataclass(frozen=True, slots=True)
class Began:
    """A worker has taken the job; `attempt` counts from 1."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The job as it ended; the last news."""

    job: Job


News = Queued | Began | Progressed | Previewed | Ended


@dataclass(slots=True, eq=False)
class Topic:
    """The record of one job. last: the latest news of each kind; news: all of them while someone listens."""

    last: dict[type, News] = field(default_factory=dict[type, News])
    news: list[News | None] = field(default_factory=list[News | None])
    wakers: dict[object, Callable[[], None]] = field(default_factory=dict[object, Callable[[], None]])

    def add(self, news: News) -> None:
        """Take news; a preview takes the place of the one before it, which is large and of no use any more."""
        if isinstance(news, Queued | Began):
            self.last.clear()
        self.last.pop(type(news), None)
        self.last[type(news)] = news
        if isinstance(news, Previewed):
            self.news = [None if isinstance(old, Previewed) else old for old in self.news]
        if self.wakers:
            self.news.append(news)


class Listener:
    """One who listens to one job."""

    def __init__(self, topic: Topic, lock: threading.Lock) -> None:
        self._topic = topic
        self._lock = lock
        self._missed: list[News] = list(topic.last.values())
        self._heard = len(topic.news)

    def fresh(self) -> list[News]:
        """Return the news since the last call, the first time also the latest before; never waits."""
        with self._lock:
            news = [*self._missed, *(one for one in self._topic.news[self._heard :] if one is not None)]
            self._missed, self._heard = [], len(self._topic.news)
        return news


class Feed:
    """Where news of jobs are told and heard, from any thread."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}
        self._lock = threading.Lock()

    def publish(self, id: str, news: News) -> None:
        """Tell news of a job to all who listen, and the latest to those who come later; Ended closes the record."""
        with self._lock:
            topic = self._topics.setdefault(id, Topic())
            topic.add(news)
            if isinstance(news, Ended):
                del self._topics[id]
            wakers = list(topic.wakers.values())
        for wake in wakers:
            wake()

    def latest(self, id: str) -> tuple[Progressed | None, Previewed | None]:
        """Return the last step and the last preview of a job that runs here, None where there was none."""
        with self._lock:
            last = self._topics[id].last if id in self._topics else {}
            step, preview = last.get(Progressed), last.get(Previewed)
        return step if isinstance(step, Progressed) else None, preview if isinstance(preview, Previewed) else None

    @contextmanager
    def listening(self, id: str, wake: Callable[[], None]) -> Generator[Listener]:
        """Listen to a job; `wake` is called from any thread when there is news, and must not wait."""
        with self._lock:
            topic = self._topics.setdefault(id, Topic())
            listener = Listener(topic, self._lock)
            topic.wakers[listener] = wake
        try:
            yield listener
        finally:
            with self._lock:
                del topic.wakers[listener]
                if not topic.wakers:
                    topic.news.clear()
                    if not topic.last and self._topics.get(id) is topic:
                        del self._topics[id]

    def listened(self) -> list[str]:
        """Return the jobs that someone listens to."""
        with self._lock:
            return [id for id, topic in self._topics.items() if topic.wakers]

    def forget(self, id: str) -> None:
        """Forget what was told of a job that no longer runs here; who listens goes on listening."""
        with self._lock:
            topic = self._topics.get(id)
            if topic is not None:
                topic.last.clear()
                if not topic.wakers:
                    del self._topics[id]
