"""How much memory the machine has for this process, within the container's limit where one is set.

Knows the system's files; knows no models and no devices.
"""

from __future__ import annotations

from pathlib import Path


def machine_memory(root: Path = Path("/")) -> tuple[int, int]:
    """Return the bytes in all and the bytes free; `root` is where system files stand."""
    import psutil

    seen = psutil.virtual_memory()
    total, free = int(seen.total), int(seen.available)
    limit = number_in(root / "sys/fs/cgroup/memory.max")
    if limit is None or limit >= total:
        return total, free
    used = number_in(root / "sys/fs/cgroup/memory.current")
    return limit, min(free, limit - used if used is not None else limit)


def number_in(file: Path) -> int | None:
    """Return the number that a system file holds, None where it holds none or is not there."""
    try:
        text = file.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
