"""Amounts of memory as people write and read them: 8GB, 75%, auto.

Knows words and numbers; does not know how much memory there is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ALLOWED = "a size such as 8GB or 512MB, a share such as 75%, or auto"
UNITS = {unit: 1000**power for power, unit in enumerate(("B", "KB", "MB", "GB", "TB"))} | {
    unit: 1024**power for power, unit in enumerate(("KIB", "MIB", "GIB", "TIB"), start=1)
}
WRITTEN = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*(%|[A-Z]{1,3})")


@dataclass(frozen=True, slots=True)
class Amount:
    """Bytes, or a share of all that there is in 0..1; neither stands for auto."""

    bytes: int | None = None
    share: float | None = None

    def of(self, all: int, auto: int) -> int:
        """Return the bytes that are meant where there are `all`, and `auto` are what Easel would take."""
        if self.bytes is not None:
            return min(self.bytes, all)
        return int(all * self.share) if self.share is not None else auto


def amount(text: str) -> Amount:
    """Return the amount that `text` says. Raises ValueError, saying what is allowed."""
    words = text.strip().upper()
    if words == "AUTO":
        return Amount()
    found = WRITTEN.fullmatch(words)
    if found is None:
        raise ValueError(ALLOWED)
    number, unit = float(found[1]), found[2]
    if unit == "%" and 0 < number <= 100:
        return Amount(share=number / 100)
    if unit not in UNITS or int(number * UNITS[unit]) <= 0:
        raise ValueError(ALLOWED)
    return Amount(bytes=int(number * UNITS[unit]))


def bytes_in_words(size: float) -> str:
    """Return a number of bytes as people say it: 35 MB, 1.4 GB (powers of ten, as disks and downloads count)."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
