"""What forwards cost: seconds by rows, learned from those that ran, and where a machine is full.

Pure arithmetic over what it is told; knows no clock, no torch and no runs.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from easel.models.gpu.widths import filled

FULL = 0.9  # of the best rows per second, from where on wider forwards only make everybody wait longer
LEAST_SPREAD = 1e-3  # of widths, relative to their mean square, below which they count as one
DOUBT = 2.0  # standard errors by which a start may be longer than measured, when it is asked how wide to go
MEMORY = 0.95  # weight of all that was measured before, at each new measurement


@dataclass(slots=True)
class Curve:
    """Seconds of a forward of w rows, as start + row * w, by least squares in which the recent counts most.

    The first forward of each width pays for what is made once and is not counted.
    """

    seen: set[int] = field(default_factory=set[int])
    weight: float = 0.0
    w: float = 0.0
    t: float = 0.0
    ww: float = 0.0
    wt: float = 0.0
    tt: float = 0.0

    def observe(self, rows: int, seconds: float) -> None:
        """Take one measurement."""
        if rows not in self.seen:
            self.seen.add(rows)
            return
        values = {"weight": 1.0, "w": rows, "t": seconds, "ww": rows**2, "wt": rows * seconds, "tt": seconds**2}
        for name, value in values.items():
            setattr(self, name, MEMORY * getattr(self, name) + value)

    @property
    def told(self) -> bool:
        """Whether forwards of unlike widths were measured, and not so long ago that they count no more."""
        return self.weight * self.ww - self.w * self.w > LEAST_SPREAD * self.weight * self.ww

    @property
    def line(self) -> tuple[float, float]:
        """Seconds of a start and of a row, neither below 0; all is the rows' while only one width is known."""
        if not self.told:
            return 0.0, self.t / self.w if self.w else 0.0
        spread = self.weight * self.ww - self.w * self.w
        row = (self.weight * self.wt - self.w * self.t) / spread
        start = (self.t - row * self.w) / self.weight
        if row <= 0:
            return self.t / self.weight, 0.0
        return (start, row) if start > 0 else (0.0, self.wt / self.ww)

    @property
    def doubt(self) -> float:
        """How many seconds longer than the line's a start may well be; none for two, which any line fits."""
        if self.weight <= 2 or not self.told:
            return 0.0
        across = self.ww - self.w**2 / self.weight
        along = self.wt - self.w * self.t / self.weight
        left = max(self.tt - self.t**2 / self.weight - along**2 / across, 0.0) / (self.weight - 2)
        return DOUBT * math.sqrt(left * (1 / self.weight + (self.w / self.weight) ** 2 / across))

    def seconds(self, rows: int) -> float:
        """Return what a forward of so many rows should take, 0 before anything was measured."""
        start, row = self.line
        return start + row * rows

    @property
    def full(self) -> float:
        """The rows at which the machine is full; infinite while that cannot be told, so that it is tried.

        Where times scatter, as on a machine that others use, a start looks shorter than it is as often as longer. Too
        narrow costs everybody, too wide only a wait; so the longest start that the times allow is believed.
        """
        start, row = self.line
        if row <= 0 or not self.told:
            return math.inf
        start += self.doubt
        row = (self.t - start * self.weight) / self.w
        if row <= 0:
            return math.inf
        return max(1.0, math.ceil(FULL / (1 - FULL) * start / row - 1e-9))


@dataclass(slots=True)
class Costs:
    """The curves of all kinds of forwards. A kind is whatever can share one."""

    curves: dict[Hashable, Curve] = field(default_factory=dict[Hashable, Curve])

    def of(self, kind: Hashable) -> Curve:
        """Return the curve of a kind of forward, a new one where it has never run."""
        return self.curves.setdefault(kind, Curve())

    def room(self, kind: Hashable, most: int, waiting: int = 0, widths: Sequence[int] = ()) -> int:
        """Return the rows that a forward of a kind should have at most, 1 to `most`.

        waiting: how many there are; widths: those that forwards are filled up to, rising. A fuller forward of a width
        costs no more; where two narrower ones cost less than one that is filled up, the first of them it is.
        """
        curve = self.of(kind)
        full = int(min(curve.full, most))
        if not widths:
            return full
        width = next((width for width in widths if width >= full), widths[-1])
        rows = min(max(waiting, 1), width)
        narrower = max((width for width in widths if width <= rows), default=widths[0])
        apart = curve.seconds(narrower) + (curve.seconds(filled(rows - narrower, widths)) if rows > narrower else 0.0)
        if curve.told and apart < curve.seconds(filled(rows, widths)):
            return min(narrower, most)
        return min(width, most)
