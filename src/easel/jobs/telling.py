"""What the store knows and the feed does not: places in the queue, jobs of other servers, jobs that were cancelled.

Only jobs that someone listens to are asked for, all in one question.
"""

from __future__ import annotations

from collections.abc import Collection

from easel.core.client import Queued
from easel.jobs.feed import Began, Ended, Feed, News
from easel.jobs.job import ENDED, Job, Standing
from easel.jobs.store import Store


class Herald:
    """Tells listeners what changed since it last looked."""

    def __init__(self, store: Store, feed: Feed) -> None:
        self._store = store
        self._feed = feed
        self._told: dict[str, News] = {}

    def tell(self, running: Collection[str]) -> None:
        """Tell what changed of the jobs that are listened to; those `running` here tell of themselves."""
        ids = [id for id in self._feed.listened() if id not in running]
        stand = self._store.standings(ids) if ids else {}
        told: dict[str, News] = {}
        for id, one in stand.items():
            if one.state in ENDED:
                self._feed.publish(id, Ended(self._store.get(id)))
            else:
                told[id] = standing(one)[-1]
                if told[id] != self._told.get(id):
                    self._feed.publish(id, told[id])
        self._told = told


def standing(job: Job | Standing) -> list[News]:
    """Return where a job that has not ended stands, as news."""
    if job.state == "queued":
        return [Queued(job.place or 0)]
    return [Began(job.attempts), *([job.progress] if job.progress else [])]
