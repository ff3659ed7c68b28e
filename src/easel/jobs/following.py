"""To follow one job from where it stands to its end: what event streams and waiting answers are made of.

A listener hears everything from the feed; the store is asked once, after listening began, so that no end is missed.
Places in the queue, and jobs that another server runs, reach the feed through the worker (jobs/telling.py).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from time import monotonic

from easel.jobs.feed import Ended, Feed, News
from easel.jobs.job import Job
from easel.jobs.store import Store
from easel.jobs.telling import standing


async def follow(store: Store, feed: Feed, id: str, user: str | None = None) -> AsyncIterator[News]:
    """Yield the news of a job, where it stands first and Ended last; raises UnknownJob and StorageError.

    Holds no thread while it waits; close it to stop listening.
    """
    loop, bell = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop has ended, and with it the listener
            loop.call_soon_threadsafe(bell.set)

    with feed.listening(id, wake) as listener:
        job = await asyncio.to_thread(store.get, id, user)
        news: list[News] = [Ended(job)] if job.has_ended else listener.fresh() or standing(job)
        while True:
            for one in news:
                yield one
                if isinstance(one, Ended):
                    return
            await bell.wait()
            bell.clear()
            news = listener.fresh()


def wait_for(store: Store, feed: Feed, id: str, timeout: float | None = None) -> Job:
    """Return a job when it has ended, or as it stands after `timeout` seconds; raises UnknownJob and StorageError."""
    bell = threading.Event()
    until = None if timeout is None else monotonic() + timeout
    with feed.listening(id, bell.set) as listener:
        job = store.get(id)
        while not job.has_ended:
            if not bell.wait(None if until is None else max(0.0, until - monotonic())):
                return store.get(id)
            bell.clear()
            for news in listener.fresh():
                job = news.job if isinstance(news, Ended) else job
    return job
