"""What a training run tells: a progress bar or plain lines, a table of losses and their curve as a picture.

Knows names and numbers alone.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_SECONDS = 20.0


class Reporter:
    """Gathers losses and shows them: rich's bar in a terminal, one line now and then otherwise."""

    def __init__(self, folder: Path, steps: int | None, minutes: float | None) -> None:
        self.folder = folder
        self.goal = f"{steps} steps" if steps is not None else f"{minutes:g} minutes"
        self.sums: dict[str, float] = {}
        self.count = 0
        self.shown = self.started = time.monotonic()
        self.bar: Progress | None = None

    def __enter__(self) -> Reporter:
        self.folder.mkdir(parents=True, exist_ok=True)
        if Console(file=sys.stderr).is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
            self.bar = Progress(*columns, TimeRemainingColumn(), console=Console(file=sys.stderr))
            self.task = self.bar.add_task(self.folder.name, total=1.0)
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()
        if (self.folder / "losses.csv").is_file():
            draw_curve(self.folder / "losses.csv", self.folder / "losses.png")

    def add(self, step: int, done: float, values: dict[str, float], rate: float) -> None:
        """Takes the losses of one step; shows their means since the last showing when it is time."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        now = time.monotonic()
        if self.bar is not None:
            self.bar.update(self.task, completed=done, description=f"{self.folder.name} {values['loss']:.4f}")
        if now - self.shown < LINE_SECONDS and step > 1:
            return
        means = {name: total / self.count for name, total in self.sums.items()}
        speed = self.count / max(1e-9, now - self.shown)
        self.sums, self.count, self.shown = {}, 0, now
        if self.bar is None:
            words = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
            print(f"{done:6.1%} of {self.goal}  step {step}  {words}  rate {rate:.2e}  {speed:.2f} steps/s", flush=True)
        table = self.folder / "losses.csv"
        new = not table.is_file()
        with table.open("a", encoding="utf-8") as file:
            if new:
                file.write(",".join(["step", "rate", *means]) + "\n")
            file.write(",".join([str(step), f"{rate:.3e}", *(f"{v:.6f}" for v in means.values())]) + "\n")


def draw_curve(table: Path, picture: Path) -> None:
    """Draws every column of a losses.csv against the step."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    head, *lines = table.read_text(encoding="utf-8").splitlines()
    names = head.split(",")
    rows = [[float(cell) for cell in line.split(",")] for line in lines]
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for column in range(2, len(names)):
        axes.plot([row[0] for row in rows], [row[column] for row in rows], label=names[column])
    axes.set_xlabel("step")
    axes.set_yscale("symlog", linthresh=1e-3)
    axes.legend()
    figure.savefig(picture, dpi=100)
