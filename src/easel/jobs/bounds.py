"""How much the queue takes, of everybody and of each user. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many jobs may wait: altogether, and of each user; and how many of each user may run at once, 0 for any."""

    waiting: int = 100_000
    waiting_each: int = 10_000
    running_each: int = 0


USUAL = Bounds()
