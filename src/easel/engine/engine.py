"""The loop: gather pending work, choose a group, perform it once, send each run its part.

Single-threaded; whoever owns an engine decides when to step it. What each forward took teaches it how wide the next of
its kind should be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from easel.core.client import AS_USUAL, Event, Terms
from easel.core.work import Work
from easel.engine.costs import Costs
from easel.engine.run import Run, Story
from easel.engine.runner import Perform, perform
from easel.engine.scheduler import Pending, choose


@dataclass(slots=True)
class Engine:
    """Steps many runs at once. counts: forwards, rows and seconds by kind of work, for benchmarks and metrics.

    max_rows: rows of one forward at most, whatever the machine seems able to carry. clock: seconds.
    served: seconds of the machine that each user with runs has had, as far as others wait for them.
    """

    max_rows: int = 64
    perform: Perform = perform
    clock: Callable[[], float] = monotonic
    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    forwards: Counter[str] = field(default_factory=Counter[str])
    rows: Counter[str] = field(default_factory=Counter[str])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    costs: Costs = field(default_factory=Costs)
    served: dict[str, float] = field(default_factory=dict[str, float])

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
        chosen = choose([self._pending(run) for run in self.runs.values()], self._room)
        runs = [self.runs[pending.run] for pending in chosen]
        works = [run.pending for run in runs if run.pending is not None]
        if works:
            began = self.clock()
            outcomes = self.perform(works)
            self._note(runs, works, self.clock() - began)
            for run, outcome in zip(runs, outcomes, strict=True):
                run.send(outcome)
                if run.ended:
                    self._forget(run)
        return bool(self.runs)

    def _pending(self, run: Run) -> Pending:
        """Return what a run waits for and how urgent it is."""
        work = run.pending
        assert work is not None  # runs that wait for nothing are not kept
        key = work.key
        run.expect(self.costs.of(key[0]).seconds(work.rows))
        return Pending(run.id, key, work.rows, run.due, run.terms.priority, self.served[run.terms.user])

    def _room(self, key: Any) -> int:
        """Return how many rows a forward of a key should have at most."""
        return self.costs.room(key[0], self.max_rows)

    def _note(self, runs: list[Run], works: list[Work], seconds: float) -> None:
        """Count a forward, learn from it, and charge its seconds to the users by their rows."""
        name, rows = type(works[0]).__name__, sum(work.rows for work in works)
        self.forwards[name] += 1
        self.rows[name] += rows
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        self.costs.of(works[0].kind).observe(rows, seconds)
        for run, work in zip(runs, works, strict=True):
            self.served[run.terms.user] += seconds * work.rows / rows

    def _forget(self, run: Run) -> None:
        """Let go of a run, and of its user with the last of theirs."""
        del self.runs[run.id]
        if all(other.terms.user != run.terms.user for other in self.runs.values()):
            self.served.pop(run.terms.user, None)
