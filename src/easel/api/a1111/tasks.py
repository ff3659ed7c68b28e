"""The calls of this dialect that are under way: what /progress tells of them, and what interrupt and skip stop.

A1111 has one such state for everybody; here each call has its own and each caller sees their own. Kept in memory: jobs
themselves are in the store. One thread, the server's loop, uses it.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from dataclasses import dataclass, field
from time import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from easel.api.a1111.answers import stamp
from easel.api.pictures import data_uri, text_of
from easel.core.client import Previewed, Progressed, Queued
from easel.core.errors import BadValue
from easel.jobs.feed import Began, Ended, News
from easel.jobs.job import Job

if TYPE_CHECKING:
    from PIL.Image import Image

REMEMBERED = 100  # calls that have ended
NOTHING = {
    "skipped": False,
    "interrupted": False,
    "stopping_generation": False,
    "job": "",
    "job_count": 0,
    "job_timestamp": "",
    "job_no": 0,
    "sampling_step": 0,
    "sampling_steps": 0,
}


@dataclass(slots=True)
class Part:
    """One job of a call as far as it was heard of."""

    id: str
    began: bool = False
    progress: Progressed | None = None
    job: Job | None = None

    @property
    def share(self) -> float:
        """How much of it is done, 0..1."""
        if self.job is not None:
            return 1.0
        return self.progress.step / max(self.progress.steps, 1) if self.progress else 0.0


@dataclass(slots=True, eq=False)
class Task:
    """One call: its name, whose it is, and its jobs. preview: the last rough look; previews: how many there were."""

    id: str
    user: str
    kind: str
    created: float = field(default_factory=time)
    parts: list[Part] = field(default_factory=list[Part])
    preview: Image | None = None
    previews: int = 0
    skipped: bool = False
    interrupted: bool = False
    ended: bool = False

    def hear(self, place: int, news: News) -> None:
        """Take in news of the job at `place`."""
        part = self.parts[place]
        match news:
            case Began():
                part.began, part.progress = True, None
            case Progressed():
                part.began, part.progress = True, news
            case Previewed():
                self.preview, self.previews = news.image, self.previews + 1
            case Ended():
                part.job = news.job
            case Queued():
                part.began = False

    @property
    def began(self) -> bool:
        """Whether any of its jobs has begun."""
        return any(part.began or part.job for part in self.parts)

    @property
    def running(self) -> list[Part]:
        """Its jobs that run now."""
        return [part for part in self.parts if part.began and part.job is None]

    @property
    def open(self) -> list[Part]:
        """Its jobs that have not ended."""
        return [part for part in self.parts if part.job is None]

    @property
    def progress(self) -> float:
        """How much of it is done, 0..1."""
        return sum(part.share for part in self.parts) / len(self.parts) if self.parts else 0.0

    @property
    def seconds_left(self) -> float:
        """Estimate from its pace so far; 0 before there is one."""
        gone, done = time() - self.created, self.progress
        return gone / done - gone if done > 0 else 0.0


class Tasks:
    """All calls under way, and the last that have ended, by caller and name."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[tuple[str, str], Task] = OrderedDict()

    def begin(self, user: str, kind: str, name: str | None) -> Task:
        """Return a new call of this caller. Raises BadValue where one of that name is under way."""
        id = name or f"task({uuid4().hex[:15]})"
        there = self._tasks.get((user, id))
        if there is not None and not there.ended:
            raise BadValue("force_task_id", id, "one that no call of yours under way has")
        task = Task(id, user, kind)
        self._tasks[user, id] = task
        self._tasks.move_to_end((user, id))
        return task

    def end(self, task: Task) -> None:
        """Remember that a call has ended; the oldest of those are forgotten."""
        task.ended, task.preview = True, None
        ended = [key for key, one in self._tasks.items() if one.ended]
        for key in ended[: max(0, len(ended) - REMEMBERED)]:
            del self._tasks[key]

    def named(self, user: str, id: str | None) -> Task | None:
        """Return a caller's call by its name."""
        return self._tasks.get((user, id or ""))

    def open(self, user: str) -> list[Task]:
        """Return a caller's calls that have not ended, the oldest first."""
        return [task for task in self._tasks.values() if task.user == user and not task.ended]

    def current(self, user: str) -> Task | None:
        """Return the caller's call that is being worked on: the oldest that has begun, else the oldest."""
        tasks = self.open(user)
        return next((task for task in tasks if task.running), tasks[0] if tasks else None)


def state_of(task: Task | None) -> dict[str, Any]:
    """Return the `state` that /progress tells."""
    if task is None:
        return NOTHING | {"job_timestamp": stamp(time())}
    running = task.running
    told = running[0].progress if running else None
    return {
        "skipped": task.skipped,
        "interrupted": task.interrupted,
        "stopping_generation": task.interrupted,
        "job": task.id,
        "job_count": len(task.parts),
        "job_timestamp": stamp(task.created),
        "job_no": sum(part.job is not None for part in task.parts),
        "sampling_step": told.step if told else 0,
        "sampling_steps": told.steps if told else 0,
    }


def progress_of(task: Task | None, *, picture: bool) -> dict[str, Any]:
    """Return what /progress answers. picture: whether the last rough look is wanted."""
    return {
        "progress": task.progress if task else 0.0,
        "eta_relative": task.seconds_left if task else 0.0,
        "state": state_of(task),
        "current_image": text_of(png(task.preview)) if picture and task and task.preview else None,
        "textinfo": waiting(task) if task else None,
    }


def internal_progress_of(task: Task | None, seen: int, *, picture: bool) -> dict[str, Any]:
    """Return what /internal/progress answers. seen: the number of the rough look that the client has already."""
    active = task is not None and not task.ended and task.began
    queued = task is not None and not task.ended and not task.began
    fresh = active and task is not None and task.preview is not None and picture and task.previews != seen
    return {
        "active": active,
        "queued": queued,
        "completed": task is not None and task.ended,
        "progress": task.progress if active and task else None,
        "eta": task.seconds_left if active and task else None,
        "live_preview": data_uri(png(task.preview), "image/png") if fresh and task and task.preview else None,
        "id_live_preview": task.previews if fresh and task else seen,
        "textinfo": waiting(task),
    }


def waiting(task: Task | None) -> str | None:
    """Return in words that a call waits, None where it does not."""
    if task is None or task.ended:
        return "Waiting..."
    return None if task.began else "In queue..."


def png(image: Image) -> bytes:
    """Return a rough look as the bytes of a PNG."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
