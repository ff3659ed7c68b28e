"""The loop: gather pending work, choose a group, perform it once, send each run its part.

Single-threaded; whoever owns an engine decides when to step it. What each forward took teaches it how wide the next of
its kind should be. Work may fly: it passes beside the steps of others, and its runs wait until it lands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from easel.core.client import AS_USUAL, Event, Terms
from easel.core.work import Work
from easel.engine.costs import Costs
from easel.engine.flights import Begin, Flight, nothing_flies
from easel.engine.run import Run, Story
from easel.engine.runner import Perform, perform
from easel.engine.scheduler import Pending, choose
from easel.models.gpu.widths import filled

ALOFT = 2  # flights at once; another waits for the first to land


def any_width(work: Work) -> Sequence[int]:
    """Return the widths that forwards of some work are filled up to, where none are."""
    return ()


@dataclass(frozen=True, slots=True)
class Aloft:
    """Work that flies, and the runs that wait for it."""

    runs: list[Run]
    works: list[Work]
    flight: Flight


@dataclass(slots=True)
class Engine:
    """Steps many runs at once. counts: forwards, rows and seconds by kind of work, for benchmarks and metrics.

    max_rows: rows of one forward at most, whatever the machine seems able to carry. clock: seconds.
    begin: lets work fly, where it can. widths: those that a work's forwards are filled up to.
    served: seconds of the machine that each user with runs has had, as far as others wait for them.
    """

    max_rows: int = 64
    perform: Perform = perform
    begin: Begin = nothing_flies
    widths: Callable[[Work], Sequence[int]] = any_width
    clock: Callable[[], float] = monotonic
    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    forwards: Counter[str] = field(default_factory=Counter[str])
    rows: Counter[str] = field(default_factory=Counter[str])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    costs: Costs = field(default_factory=Costs)
    served: dict[str, float] = field(default_factory=dict[str, float])
    aloft: list[Aloft] = field(default_factory=list[Aloft])

    def add(self, id: str, story: Story, emit: Callable[[Event], None], terms: Terms = AS_USUAL) -> None:
        """Take a recipe's generator under an id of its own; it runs to its first work now.

        A user who comes anew begins where the one stands who has had least, neither in debt nor with a claim.
        """
        run = Run(id, story, emit, terms, self.clock)
        run.start()
        if not run.ended:
            self.runs[id] = run
            self.served.setdefault(terms.user, min(self.served.values(), default=0.0))

    def cancel(self, id: str) -> None:
        """End a run between two steps; without effect when it has ended."""
        run = self.runs.get(id)
        if run is not None:
            self._forget(run)
            run.cancel()

    def step(self) -> bool:
        """Perform one group of work and advance its runs; return whether any run is left."""
        flying = {run.id for one in self.aloft for run in one.runs}
        pending = [self._pending(run) for run in self.runs.values() if run.id not in flying]
        if self._land(wait=not pending):
            return bool(self.runs)
        waiting: Counter[Hashable] = Counter()
        for one in pending:
            waiting[one.key] += one.rows
        chosen = choose(pending, lambda key: self._room(key, waiting[key]))
        runs = [self.runs[pending.run] for pending in chosen]
        works = [run.pending for run in runs if run.pending is not None]
        if works:
            flight = self.begin(works)
            if flight is not None:
                self.aloft.append(Aloft(runs, works, flight))
                return True
            began = self.clock()
            self._give(runs, works, self.perform(works), lambda: self.clock() - began)
        return bool(self.runs)

    def _land(self, *, wait: bool) -> bool:
        """Give the runs of work that has landed their parts; return whether any had, so that they are asked anew.

        wait: for the first, where nothing else is to be done; so too where as many fly as may.
        """
        landed = [one for one in self.aloft if one.flight.done]
        if not landed and self.aloft and (wait or len(self.aloft) >= ALOFT):
            landed = self.aloft[:1]
        for one in landed:
            self.aloft.remove(one)
            self._give(one.runs, one.works, one.flight.land(), lambda one=one: one.flight.seconds)
        return bool(landed)

    def _give(self, runs: list[Run], works: list[Work], outcomes: list[Any], seconds: Callable[[], float]) -> None:
        """Learn what work took, and send each run its part; one that was cancelled meanwhile is left out."""
        self._note(runs, works, seconds())
        for run, outcome in zip(runs, outcomes, strict=True):
            if self.runs.get(run.id) is run:
                run.send(outcome)
                if run.ended:
                    self._forget(run)

    def _pending(self, run: Run) -> Pending:
        """Return what a run waits for and how urgent it is."""
        work = run.pending
        assert work is not None  # runs that wait for nothing are not kept
        key = work.key
        run.expect(self.costs.of(key[0]).seconds(filled(work.rows, self.widths(work))))
        return Pending(run.id, key, work.rows, run.due, run.terms.priority, self.served[run.terms.user])

    def _room(self, key: Any, waiting: int) -> int:
        """Return how many rows a forward of a key should have at most, where so many wait."""
        work = next(run.pending for run in self.runs.values() if run.pending is not None and run.pending.key == key)
        return self.costs.room(key[0], self.max_rows, waiting, self.widths(work))

    def _note(self, runs: list[Run], works: list[Work], seconds: float) -> None:
        """Count a forward, learn from it, and charge its seconds to the users by their rows."""
        name, rows = type(works[0]).__name__, sum(work.rows for work in works)
        self.forwards[name] += 1
        self.rows[name] += rows
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        self.costs.of(works[0].kind).observe(filled(rows, self.widths(works[0])), seconds)
        for run, work in zip(runs, works, strict=True):
            if run.terms.user in self.served:  # whose last run was cancelled while it flew has none
                self.served[run.terms.user] += seconds * work.rows / rows

    def _forget(self, run: Run) -> None:
        """Let go of a run, and of its user with the last of theirs."""
        del self.runs[run.id]
        if all(other.terms.user != run.terms.user for other in self.runs.values()):
            self.served.pop(run.terms.user, None)
