"""A run: a request in the engine, with its recipe's generator, the work it waits for, and what it has cost.

Knows how to advance one generator; does not know other runs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from time import monotonic
from typing import Any

from easel.core.client import AS_USUAL, Done, Event, Failed, Previewed, Progressed, Terms, WasCancelled
from easel.core.errors import Cancelled, EaselError, Internal
from easel.core.result import Picture, Result
from easel.core.work import Evaluate, Finish, Work

Story = Generator[Work, Any, tuple[Picture, ...]]


@dataclass(slots=True)
class Run:
    """The life of one request; only the engine's thread touches it.

    emit is called with each event, in order; the last is Done, Failed or WasCancelled.
    counted: step and steps of what is being counted; before: the steps of what was counted before it, so that those who
    look on see one count that only grows.
    """

    id: str
    story: Story
    emit: Callable[[Event], None]
    terms: Terms = AS_USUAL
    clock: Callable[[], float] = monotonic
    pending: Work | None = None
    evaluations: int = 0
    began: float = 0.0
    due: float = 0.0
    step: int = -1
    before: int = 0
    counted: tuple[int, int] = (0, 0)

    def start(self) -> None:
        """Advance to the first work; due at once, until it is known how long it is."""
        self.began = self.due = self.clock()
        self._advance(lambda: next(self.story))

    def send(self, outcome: Any) -> None:
        """Give the recipe the outcome of its pending work: sent, or thrown into it when it is an error."""
        if isinstance(self.pending, Evaluate):
            self.evaluations += 1
        self.pending = None
        if isinstance(outcome, BaseException):
            self._advance(lambda: self.story.throw(outcome))
        else:
            self._advance(lambda: self.story.send(outcome))

    def cancel(self) -> None:
        """Close the recipe; nothing of it stays behind."""
        self.pending = None
        self.story.close()
        self.emit(WasCancelled())

    def expect(self, seconds: float) -> None:
        """Set when this run is due, from the seconds that one of its evaluations takes alone."""
        if isinstance(self.pending, Evaluate) and self.pending.progress is not None and self.due == self.began:
            own = self.pending.progress.steps * seconds
            self.due += own if self.terms.deadline is None else min(own, self.terms.deadline)

    @property
    def ended(self) -> bool:
        """Whether the recipe waits for nothing more."""
        return self.pending is None

    def _advance(self, move: Callable[[], Work]) -> None:
        try:
            self.pending = move()
        except StopIteration as stop:
            self.emit(Done(Result(stop.value, self.evaluations, self.clock() - self.began)))
        except Cancelled:
            self.emit(WasCancelled())
        except EaselError as error:
            self.emit(Failed(error))
        except Exception as error:  # the per-run boundary: one request's fault never reaches another
            failure = Internal(self.id, error)
            failure.__cause__ = error
            self.emit(Failed(failure))
        else:
            self._report()

    def _report(self) -> None:
        if not isinstance(self.pending, Evaluate | Finish) or self.pending.progress is None:
            return
        progress = self.pending.progress
        step, steps = self.counted
        if progress.step < step or progress.steps != steps:
            self.before += steps
        self.counted = progress.step, progress.steps
        if self.before + progress.step != self.step:
            self.step = self.before + progress.step
            seconds = self.clock() - self.began
            self.emit(Progressed(self.step, self.before + progress.steps, self.evaluations, seconds))
        if progress.preview is not None:
            self.emit(Previewed(progress.preview))
