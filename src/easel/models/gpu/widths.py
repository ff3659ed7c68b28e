"""The widths of forwards: each is filled up to the next, so that there are few shapes to compile and to record.

Pure arithmetic, also for the scheduler, which must know what a row really costs.
"""

from __future__ import annotations

from collections.abc import Sequence

WIDTHS = (1, 2, 4, 8, 16)


def filled(rows: int, widths: Sequence[int]) -> int:
    """Return how many rows are computed for `rows` of them: full forwards of the largest width and one of the next.

    widths: those there are, rising; none where forwards are as wide as their rows.
    """
    if not widths:
        return rows
    whole, rest = divmod(rows, widths[-1])
    return whole * widths[-1] + (next(width for width in widths if width >= rest) if rest else 0)


def portions(rows: int, widths: Sequence[int]) -> list[int]:
    """Return widths that make exactly `rows` together, the widest first, for work that is too dear to fill up."""
    found: list[int] = []
    for width in reversed(widths):
        found += [width] * ((rows - sum(found)) // width)
    return found
