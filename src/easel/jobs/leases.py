"""Who has fallen silent: told by counts that stopped growing, on a clock of our own that nobody can set.

Pure. Knows no database and no job; a wall clock that jumps, here or on another machine, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic


class Leases:
    """What one process has seen of the others' beats.

    seconds: how long a count may stand still before its worker counts as dead. clock: seconds, never set back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}  # of each worker its count, and since when we see that

    def silent(self, beats: Mapping[str, int]) -> dict[str, int]:
        """Take the counts as they are now, and return those that have stood still for too long."""
        now = self._clock()
        seen = {name: self._seen.get(name, (count, now)) for name, count in beats.items()}
        self._seen = {name: seen[name] if seen[name][0] == count else (count, now) for name, count in beats.items()}
        return {name: count for name, (count, since) in self._seen.items() if now - since >= self._seconds}
