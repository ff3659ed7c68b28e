"""Chooses which pending work runs next: pure functions over plain values, no torch, no clock.

Everything pending with an equal key may share a forward; the scheduler picks one key and the rows of it that fit.
A run is due when it would have ended had it come alone, so that a short one that comes later is due before a long one
and nobody waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

LEAD = 5.0  # seconds of the machine by which one user may be ahead of another before the other goes first


@dataclass(frozen=True, slots=True)
class Pending:
    """Work that a run waits for.

    due: when its run should end, in seconds of the engine's clock. priority: larger goes first, whatever is due.
    served: seconds of the machine that its user has had.
    """

    run: str
    key: Hashable
    rows: int
    due: float = 0.0
    priority: int = 0
    served: float = 0.0


def choose(pending: Sequence[Pending], room: Callable[[Hashable], int]) -> list[Pending]:
    """Return the work of the next forward, the most urgent first; empty only when nothing is pending.

    Priority decides, then which user is behind the others by more than LEAD, then what is due first. The most urgent
    work says which key it is; work of that key is taken whole and in order of urgency while it fits.
    room: rows of one forward at most, by key; work larger than that runs by itself.
    """
    if not pending:
        return []
    least = min(work.served for work in pending)
    ordered = sorted(pending, key=lambda work: (-work.priority, (work.served - least) // LEAD, work.due))
    key = ordered[0].key
    chosen: list[Pending] = []
    free = room(key)
    for work in ordered:
        if work.key == key and (not chosen or work.rows <= free):
            chosen.append(work)
            free -= work.rows
    return chosen
