"""The one seam between doors and whatever runs requests: submit, events, cancel.

Makers: a thread in this process (engine/local.py), later the job queue and the Ray pool. A door sees only this file,
so every door is tested against a scripted client, without torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from easel.core.errors import EaselError
from easel.core.request import Request
from easel.core.result import Result

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Queued:
    """Accepted; `ahead` requests stand before it."""

    ahead: int


@dataclass(frozen=True, slots=True)
class Progressed:
    """Step `step` of `steps` is done; `evaluations` calls for `denoised` so far, `seconds` since admission."""

    step: int
    steps: int
    evaluations: int
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pace so far; None before the first step."""
        return None if self.step == 0 else self.seconds / self.step * (self.steps - self.step)


@dataclass(frozen=True, slots=True)
class Previewed:
    """A rough look at the first picture of the run."""

    image: Image


@dataclass(frozen=True, slots=True)
class Done:
    """Finished; the last event."""

    result: Result


@dataclass(frozen=True, slots=True)
class Failed:
    """Ended by an error; the last event."""

    error: EaselError


@dataclass(frozen=True, slots=True)
class WasCancelled:
    """Ended because someone asked; the last event."""


Event = Queued | Progressed | Previewed | Done | Failed | WasCancelled
Ending = Done | Failed | WasCancelled


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a request runs beside others.

    user: who asks; users share the machine evenly. priority: larger goes first. deadline: seconds from now by which it
    should be done, None for as soon as its length deserves.
    """

    user: str = ""
    priority: int = 0
    deadline: float | None = None


AS_USUAL = Terms()


class EngineClient(Protocol):
    """Whatever runs requests."""

    def submit(self, request: Request, terms: Terms = AS_USUAL) -> str:
        """Take a request and return the id of its run; raises RequestError or ResourceError when it is refused."""
        ...

    def events(self, run: str) -> Iterator[Event]:
        """Yield the events of a run from its beginning, ending with Done, Failed or WasCancelled."""
        ...

    def cancel(self, run: str) -> None:
        """Ask a run to stop within one step; without effect when it has ended."""
        ...

    def close(self) -> None:
        """Cancel what runs and release the models."""
        ...
