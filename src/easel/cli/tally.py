"""How far the runs of one command are, in numbers. Knows no screen; the clock is handed in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Steps and pictures of `runs` runs together; a step of any run counts one, as the engine's pace does."""

    runs: int
    pictures: int
    kept: int = 0
    steps: dict[int, tuple[int, int]] = field(default_factory=dict)
    usual: int = 0
    began: tuple[float, int] | None = None

    def stepped(self, run: int, step: int, steps: int, now: float) -> None:
        """Note that `step` of `steps` steps of a run are done."""
        self.steps[run] = (step, steps)
        self.usual = steps
        if self.began is None:
            self.began = (now, self.done)

    def ended(self, run: int, *, whole: bool) -> None:
        """Note that a run ended: `whole` when all its steps were done, else none are left to do."""
        step, steps = self.steps.get(run, (0, self.usual if whole else 0))
        self.steps[run] = (steps, steps) if whole else (step, step)

    @property
    def done(self) -> int:
        """Steps done by all runs."""
        return sum(step for step, _ in self.steps.values())

    @property
    def total(self) -> int | None:
        """Steps of all runs, those that have not begun taken to be like the others; None before the first step."""
        if not self.usual:
            return None
        return sum(steps for _, steps in self.steps.values()) + self.usual * (self.runs - len(self.steps))

    def pace(self, now: float) -> float | None:
        """Return steps a second since the first step began, so that loading a model does not count; None before."""
        if self.began is None:
            return None
        since, before = self.began
        return (self.done - before) / (now - since) if now > since and self.done > before else None

    def seconds_left(self, now: float) -> float | None:
        """Return the estimate from the pace so far."""
        pace, total = self.pace(now), self.total
        return None if pace is None or total is None else (total - self.done) / pace
