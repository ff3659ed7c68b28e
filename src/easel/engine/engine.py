"""The loop: gather pending work, choose a group, perform it once, send each run its part.

Single-threaded and without a clock of its own; whoever owns an engine decides when to step it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from easel.core.client import Event
from easel.engine.run import Run, Story
from easel.engine.runner import Perform, perform
from easel.engine.scheduler import Pending, choose


@dataclass(slots=True)
class Engine:
    """Steps many runs at once. counts: forwards and rows by kind of work, for benchmarks and metrics."""

    max_rows: int = 64
    perform: Perform = perform
    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    forwards: Counter[str] = field(default_factory=Counter[str])
    rows: Counter[str] = field(default_factory=Counter[str])
    turn: int = 0

    def add(self, id: str, story: Story, emit: Callable[[Event], None]) -> None:
        """Take a recipe's generator under an id of its own; it runs to its first work now."""
        run = Run(id, story, emit, since=self.turn)
        run.start()
        if not run.ended:
            self.runs[id] = run

    def cancel(self, id: str) -> None:
        """End a run between two steps; without effect when it has ended."""
        run = self.runs.pop(id, None)
        if run is not None:
            run.cancel()

    def step(self) -> bool:
        """Perform one group of work and advance its runs; return whether any run is left."""
        chosen = choose(
            [
                Pending(run.id, run.pending.key, run.pending.rows, run.since)
                for run in self.runs.values()
                if run.pending is not None
            ],
            self.max_rows,
        )
        runs = [self.runs[pending.run] for pending in chosen]
        works = [run.pending for run in runs if run.pending is not None]
        if works:
            kind = type(works[0]).__name__
            self.forwards[kind] += 1
            self.rows[kind] += sum(work.rows for work in works)
            for run, outcome in zip(runs, self.perform(works), strict=True):
                self._hand_back(run, outcome)
        return bool(self.runs)

    def _hand_back(self, run: Run, outcome: object) -> None:
        self.turn += 1
        run.since = self.turn
        run.send(outcome)
        if run.ended:
            del self.runs[run.id]
