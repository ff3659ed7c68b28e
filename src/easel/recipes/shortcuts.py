"""What one pass leaves out by choice: which rows, and what each row's forward takes from an earlier one.

Its memories belong to the pass and end with it. Knows layouts and shortcuts; asks for no work.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from easel.adapters.deepcache import DeepCache
from easel.adapters.tgate import Gate, mixed
from easel.core.errors import BadValue, Unsupported
from easel.core.passes import Shortcuts
from easel.core.work import Memory, Remembered, Shortcut
from easel.models.family import Model
from easel.recipes.common import Settled
from easel.recipes.controlled import check_shortened
from easel.sampling.guidance import Layout

DEEP, GATE = DeepCache(), Gate()


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """For each row of a layout the memories in which it leaves something and those from which it takes."""

    keeps: tuple[Remembered, ...] = ()
    takes: tuple[Remembered, ...] = ()

    def of(self, rows: Sequence[int]) -> dict[str, Any]:
        """Return the fields of Rows for some of the rows."""
        found = {"keeps": self.keeps, "takes": self.takes}
        return {name: tuple(each[row] for row in rows) for name, each in found.items() if each}


class Shortening:
    """What a pass over `steps` steps leaves out. One instance serves one pass."""

    def __init__(self, shortcuts: Shortcuts, steps: int) -> None:
        self._asked = shortcuts
        self._gate = closing(shortcuts, steps)
        self._memories: dict[Hashable, Memory] = {}
        self._calls: dict[Hashable, int] = {}  # at which a row's inner layers were computed

    def layout(self, layout: Layout, sigma: float, step: int, call: int) -> Layout:
        """Return the rows that are asked for: all, or no negatives."""
        below = sigma < self._asked.ngms and (self._asked.ngms_all or call % 2 == 1)
        if not layout.negative or not (below or step >= self._gate):
            return layout
        rows = [row for row, part in enumerate(layout.parts) if part is not None]
        return Layout(tuple(layout.pictures[row] for row in rows), tuple(layout.parts[row] for row in rows))

    def marks(self, leader: object, layout: Layout, step: int, call: int) -> Marks:
        """Return what the rows keep and take at a call; whoever leads anew begins with empty memories."""
        rows = [(id(leader), picture, part) for picture, part in zip(layout.pictures, layout.parts, strict=True)]
        gate_takes = step >= self._gate and all(self._memory(GATE, row) for row in rows)
        gate_keeps = step >= self._gate - 1 and not gate_takes
        if gate_takes:
            self._mix(rows)
        deep_takes = not gate_keeps and all(self._is_young(row, call) for row in rows)  # gates keep whole forwards
        deep_keeps = self._asked.features_every > 1 and not deep_takes
        if deep_keeps:
            self._calls |= dict.fromkeys(rows, call)
        keeps = [shortcut for shortcut, wanted in ((DEEP, deep_keeps), (GATE, gate_keeps)) if wanted]
        takes = [shortcut for shortcut, wanted in ((DEEP, deep_takes), (GATE, gate_takes)) if wanted]
        return Marks(self._remembered(keeps, rows), self._remembered(takes, rows))

    def _memory(self, shortcut: Shortcut, row: Hashable) -> Memory:
        return self._memories.setdefault((shortcut, row), {})

    def _remembered(self, shortcuts: Sequence[Shortcut], rows: Sequence[Hashable]) -> tuple[Remembered, ...]:
        each = [tuple((shortcut, self._memory(shortcut, row)) for shortcut in shortcuts) for row in rows]
        return tuple(each) if shortcuts else ()

    def _is_young(self, row: Hashable, call: int) -> bool:
        """Return whether a row's inner layers may still be taken."""
        computed = self._calls.get(row)
        return computed is not None and call - computed < self._asked.features_every

    def _mix(self, rows: Sequence[tuple[int, int, int | None]]) -> None:
        """Lay what the negatives left, where they left something, half over what their picture's positives did."""
        away = {(who, picture) for who, picture, _ in rows if (GATE, (who, picture, None)) in self._memories}
        for who, picture, part in rows:
            if (who, picture) in away and part is not None:
                own, other = self._memory(GATE, (who, picture, part)), self._memory(GATE, (who, picture, None))
                self._memories[GATE, (who, picture, part)] = mixed(own, other)
        for who, picture in away:
            del self._memories[GATE, (who, picture, None)]


def closing(shortcuts: Shortcuts, steps: int) -> float:
    """Return the step from which nothing is read from the words anew, infinite where that is none of `steps`."""
    first = max(1, math.ceil(shortcuts.gate * steps))
    return first if first < steps else math.inf


def with_negatives(predictions: Tensor, asked: Layout, wanted: Layout) -> Tensor:
    """Return predictions for all rows wanted where negatives were left out: each picture's first positive instead.

    So A1111 fills them, and guidance finds nothing to lead away from.
    """
    if len(asked) == len(wanted):
        return predictions
    rows = zip(wanted.pictures, wanted.parts, strict=True)
    first = [asked.pictures.index(picture) for picture, part in rows if part is None]
    return torch.cat([predictions, predictions[first]])


def check_shortcuts(settled: Settled, model: Model) -> None:
    """Raise Unsupported or BadValue for what a request would leave out in vain. settled: of its first pass."""
    asked, steps = settled.request.shortcuts, len(settled.sigmas) - 1
    if asked == Shortcuts() or steps == 0:
        return
    check_shortened(settled.request)
    for field, wanted in (("features_every", asked.features_every > 1), ("gate", asked.gate < 1)):
        if wanted and "unet" not in model.parts:
            raise Unsupported(f"shortcuts.{field} needs a U-Net, which {model.name} has not; leave it out.")
    if steps == 1:
        raise BadValue("steps", 1, "at least 2 with shortcuts", remedy="one step has nothing to leave out")
    if asked.gate < 1 and closing(asked, steps) > steps:
        most = math.floor(1000 * (steps - 1) / steps) / 1000
        raise BadValue("shortcuts.gate", asked.gate, f"at most {most} of {steps} steps, or 1 for off")
    if asked.ngms and settled.scale == 1:
        raise BadValue("shortcuts.ngms", asked.ngms, "0 at a guidance scale of 1", remedy="there is no negative then")
    if asked.ngms and asked.ngms <= settled.sigmas[-2]:
        raise BadValue("shortcuts.ngms", asked.ngms, f"above the last noise level, {settled.sigmas[-2]:.3g}")
