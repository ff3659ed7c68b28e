"""What leads the rows of a pass beside its words: adapters with what they have prepared, and when they act.

Knows acts and shares of steps; knows no adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from easel.core.work import Act, RowAdapter


@dataclass(frozen=True, slots=True, eq=False)
class Acting:
    """What one adapter does to the rows of a pass.

    positive: what it has prepared for rows whose words lead, of each picture of the pass or one for all; negative:
    for rows whose words lead away; () where it does nothing to them. strength: 0 does nothing at all.
    start, end: shares of the pass' steps, 0..1, in which it acts, both included. bound: whether it couples the pictures
    of the pass, whose rows, those that lead and those that lead away each, then never part.
    """

    adapter: RowAdapter
    positive: tuple[Any, ...]
    negative: tuple[Any, ...]
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    bound: bool = False

    def at(self, picture: int, *, away: bool, share: float) -> Act | None:
        """Return what is done to a row of a picture when `share` of the steps are behind; None for nothing."""
        prepared = self.negative if away else self.positive
        if not prepared or not self.strength or not self.start <= share <= self.end:
            return None
        bond = (self, away) if self.bound else None
        return Act(self.adapter, prepared[picture if len(prepared) > 1 else 0], self.strength, bond)


def acts_at(acting: Sequence[Acting], rows: Sequence[tuple[int, bool]], share: float) -> tuple[tuple[Act, ...], ...]:
    """Return what is done to each row, given as its picture and whether its words lead away; () for nothing to any."""
    each = [
        tuple(act for one in acting if (act := one.at(picture, away=away, share=share)) is not None)
        for picture, away in rows
    ]
    return tuple(each) if any(each) else ()
