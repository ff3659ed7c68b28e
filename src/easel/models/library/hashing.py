"""The hash by which people name a model's weights: the first ten hex digits of a SHA-256, as in infotext.

Of a single file it is the hash of its bytes, A1111's. Of several it is the hash of their hashes in order. What was
computed is kept in the index, so that a file is read for it once; knows bytes and no tensors.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from easel.models.library.claims import cached_claim, claims_beside, claims_in_cache
from easel.models.library.index import Hashed, hashes_like, hashes_of, keep_hashes
from easel.models.library.places import Found, changed_at

SHOWN = 10  # hex digits


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
    places = [os.path.realpath(file) for file in files]
    kept = hashes_of(places)
    found: dict[str, Hashed] = {}
    for place in places:
        facts, known = os.stat(place), kept.get(place)
        fresh = known is not None and (known.size, known.changed) == (facts.st_size, facts.st_mtime_ns)
        sha256 = known.sha256 if known is not None and fresh else sha256_of(Path(place))
        found[place] = Hashed(place, facts.st_size, facts.st_mtime_ns, sha256)
    keep_hashes(one for one in found.values() if one != kept.get(one.path))
    digests = [found[place].sha256 for place in places]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's bytes in hex. Raises OSError."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def hashed_as(digits: str, names: Mapping[str, Found], roots: Sequence[Path]) -> str | None:
    """Return the name of the file whose SHA-256 begins with ten or more hex digits, None where none is known to.

    Known are hashes that were computed, and then those that other programs wrote down, beside files or in their folders
    `roots`; neither is computed here.
    """
    digits = digits.strip().casefold()
    if not re.fullmatch(f"[0-9a-f]{{{SHOWN},64}}", digits):
        return None
    computed = list(hashes_like(digits))
    known = {(one.path, one.size) for one in computed if changed_at(one.path) == one.changed}
    sizes = {size for _, size in known}
    for name, found in names.items():
        if found.size in sizes and (os.path.realpath(found.path), found.size) in known:
            return name
    renamed = {(one.size, one.changed) for one in computed}  # a file keeps both under another name
    for name, found in names.items():
        if found.size in {size for size, _ in renamed} and (found.size, changed_at(found.path)) in renamed:
            return name
    caches = [cache for root in roots if (cache := claims_in_cache(root))]
    for name, found in names.items():
        claimed = claims_beside(found.path) | {cached_claim(found, caches)}
        if any(one.startswith(digits) or (len(one) == SHOWN and digits.startswith(one)) for one in claimed):
            return name
    return None
