"""Calls that wait for their answer: the jobs of one call, their news as one stream, and how they ended.

For dialects whose clients ask and wait. Knows the queue; does not know what anyone's answer looks like.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import cast

from easel.api.doors import Caller, Doors
from easel.core import errors
from easel.core.errors import Cancelled, EaselError, ModelError, RequestError, ResourceError
from easel.core.request import Request
from easel.jobs.feed import News
from easel.jobs.following import follow
from easel.jobs.job import ErrorFacts, Job

BROAD: tuple[type[EaselError], ...] = (RequestError, ResourceError, ModelError, Cancelled)


async def submitted(doors: Doors, requests: Sequence[Request], caller: Caller) -> list[str]:
    """Queue the requests of one call and return the ids of their jobs: all of them, or none where one is refused."""
    ids: list[str] = []
    try:
        for request in requests:
            ids.append((await doors.submit(request, caller)).id)
    except BaseException:
        await cancelled(doors, ids)
        raise
    return ids


async def cancelled(doors: Doors, ids: Sequence[str]) -> None:
    """Ask jobs to stop; those that have ended stay as they are."""
    for id in ids:
        await asyncio.to_thread(doors.store.cancel, id)


async def heard(doors: Doors, ids: Sequence[str]) -> AsyncGenerator[tuple[int, News]]:
    """Yield the news of several jobs as they come, each with its job's place in `ids`, until all have ended.

    Raises UnknownJob where one is pruned meanwhile, StorageError, and ResourceError when the server ends; jobs are kept
    then. Close it to stop listening.
    """
    loop = asyncio.get_running_loop()
    news: asyncio.Queue[tuple[int, News] | asyncio.Task[None] | None] = asyncio.Queue()

    def end() -> None:
        with suppress(RuntimeError):  # the loop has ended, and the call with it
            loop.call_soon_threadsafe(news.put_nowait, None)

    async def listen(place: int, id: str) -> None:
        news_of_job = cast("AsyncGenerator[News]", follow(doors.store, doors.feed, id))
        async with aclosing(news_of_job) as told:
            async for one in told:
                news.put_nowait((place, one))

    tasks = [asyncio.create_task(listen(place, id)) for place, id in enumerate(ids)]
    for task in tasks:
        task.add_done_callback(news.put_nowait)
    try:
        left = len(tasks)
        with doors.closing.heard(end):
            while left:
                one = await news.get()
                if one is None:
                    raise ResourceError("the server ends now; what was asked stays in its queue.")
                if isinstance(one, asyncio.Task):
                    one.result()
                    left -= 1
                else:
                    yield one
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def refuse_failed(jobs: Sequence[Job]) -> None:
    """Raise why the first failed job failed, if one has; the kind of the error is kept as far as a status needs it."""
    for job in jobs:
        if job.state == "failed":
            raise error_of(job.error or ErrorFacts("Internal", f"job {job.id} failed."))


def error_of(facts: ErrorFacts) -> EaselError:
    """Return the error that ended a job, of the broad kind that it was of."""
    kind = getattr(errors, facts.kind, EaselError)
    for exact in (errors.QueueFull, errors.StorageError, errors.Unsupported):
        if kind is exact:
            return exact(facts.message)
    return next((broad for broad in BROAD if issubclass(kind, broad)), EaselError)(facts.message)
