"""The hash by which people name a model's weights: the first ten hex digits of a SHA-256, as in infotext.

Of a single file it is the hash of its bytes, A1111's. Of several it is the hash of their hashes in order. What was
computed is kept in the user's cache folder, so that a file is read for it once; knows bytes and no tensors.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

SHOWN = 10  # hex digits
LARGEST_CACHE = 2**24  # bytes; a larger one is no cache of ours


class WeightsHash:
    """The hash of a model's weight files, computed when it is first asked for. A file that is gone makes it empty."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = tuple(files)

    @cached_property
    def short(self) -> str:
        """The first ten hex digits, or nothing where a file cannot be read."""
        try:
            return hash_of(self._files)[:SHOWN]
        except OSError:
            return ""


def hash_of(files: Sequence[Path]) -> str:
    """Return the SHA-256 of one file, or of the hex digests of several in order. Raises OSError."""
    kept = read_cache()
    found: dict[str, list[Any]] = {}
    for file in files:
        place, stat = str(file.resolve()), file.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        known = kept.get(place)
        found[place] = known if known and known[:2] == stamp else [*stamp, sha256_of(file)]
    if any(kept.get(place) != entry for place, entry in found.items()):
        write_cache({place: entry for place, entry in kept.items() if os.path.exists(place)} | found)
    digests = [str(entry[2]) for entry in found.values()]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's bytes in hex. Raises OSError."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def cache_file() -> Path:
    """Return where hashes are kept: hashes.json in Easel's part of the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "easel" / "hashes.json"


def read_cache() -> dict[str, list[Any]]:
    """Return what is kept: size, time of change and SHA-256 by path; nothing where it cannot be read."""
    try:
        file = cache_file()
        if file.stat().st_size > LARGEST_CACHE:
            return {}
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):  # RuntimeError: no home folder, or nested without end
        return {}
    return {place: entry for place, entry in kept.items() if is_entry(entry)} if isinstance(kept, dict) else {}


def is_entry(entry: Any) -> bool:
    """Return whether a value of the cache is [size, time of change, SHA-256]."""
    if not isinstance(entry, list) or [type(value) for value in entry] != [int, int, str]:
        return False
    return len(entry[2]) == 64 and set(entry[2]) <= set("0123456789abcdef")


def write_cache(kept: dict[str, list[Any]]) -> None:
    """Keep hashes, in one move at the end; where that is impossible they are computed again another time."""
    with suppress(OSError, ValueError, RuntimeError):
        file = cache_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
        try:
            temporary.write_text(json.dumps(kept, indent=0), encoding="utf-8")
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
