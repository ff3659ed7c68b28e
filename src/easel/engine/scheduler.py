"""Chooses which pending work runs next: pure functions over plain values, no torch, no clock.

Everything pending with an equal key may share a forward; the scheduler picks one key and the rows of it that fit.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pending:
    """Work that a run waits for. since: the turn at which it began to wait; smaller has waited longer."""

    run: str
    key: Hashable
    rows: int
    since: int


def choose(pending: Sequence[Pending], max_rows: int) -> list[Pending]:
    """Return the work of the next forward, longest waiting first; empty only when nothing is pending.

    The key whose work has waited longest goes first, so no key starves. Work is taken whole and in order of waiting
    while it fits in `max_rows`; work larger than that runs by itself.
    """
    if not pending:
        return []
    ordered = sorted(pending, key=lambda work: work.since)
    key = ordered[0].key
    chosen: list[Pending] = []
    rows = 0
    for work in ordered:
        if work.key == key and (not chosen or rows + work.rows <= max_rows):
            chosen.append(work)
            rows += work.rows
    return chosen
