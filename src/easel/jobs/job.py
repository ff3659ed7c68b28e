"""What a job is: a request kept in the queue, where it stands, and what became of it. Values only.

Doors read these; only jobs/store.py makes them. Knows neither databases nor engines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from easel.core.client import Progressed
from easel.core.errors import EaselError
from easel.core.request import Request

State = Literal["queued", "running", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Kept:
    """A finished picture: its file below the album's folder, its seed and infotext, its size in pixels and bytes.

    favourite: whether someone likes it, so that it is never pruned.
    """

    file: str
    seed: int
    infotext: str
    width: int
    height: int
    bytes: int = 0
    favourite: bool = False


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """Why a job failed: the name of the error's class in core/errors.py and its one line."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """A request kept in the queue.

    request: settled, so that running it again gives the same bits. created, started, ended: seconds since 1970 by the
    machine's clock. attempts: how often it was begun. worker: who runs or ran it. progress: while it runs.
    place: how many jobs go before it while it is queued. stem: what the names of its files begin with.
    """

    id: str
    user: str
    state: State
    request: Request
    priority: int
    created: float
    stem: str
    started: float | None = None
    ended: float | None = None
    attempts: int = 0
    worker: str | None = None
    error: ErrorFacts | None = None
    pictures: tuple[Kept, ...] = ()
    progress: Progressed | None = None
    place: int | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it unless someone asks for it again."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands, without what was asked: cheap to read for a thousand at once."""

    state: State
    attempts: int
    progress: Progressed | None
    place: int | None


def facts_of(error: EaselError) -> ErrorFacts:
    """Return what is kept of an error."""
    return ErrorFacts(type(error).__name__, error.message)
