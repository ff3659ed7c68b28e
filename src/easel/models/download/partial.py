"""A file that has come in part: NAME.part beside the target, and NAME.part.json, which says of what it is a part.

Knows the disk and no web.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from easel.core.errors import StorageError
from easel.models.download.wanted import Wanted


class Digest:
    """The running hashes of one file, over what is there and what comes."""

    def __init__(self, wanted: Wanted, part: Path, have: int) -> None:
        self._sha256 = hashlib.sha256()
        self._blob = hashlib.sha1(f"blob {wanted.size}\0".encode(), usedforsecurity=False)
        self._wants_blob = bool(wanted.blob) and not wanted.sha256
        if have:
            with part.open("rb") as opened:
                while chunk := opened.read(2**20):
                    self.update(chunk)

    def update(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        self._sha256.update(chunk)
        if self._wants_blob:
            self._blob.update(chunk)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def differs(self, wanted: Wanted) -> str:
        """Return in words how the whole differs from what was wanted, nothing where it does not."""
        if wanted.sha256 and self.sha256 != wanted.sha256.lower():
            return f"its SHA-256 is {self.sha256}, it should be {wanted.sha256.lower()}"
        if self._wants_blob and self._blob.hexdigest() != wanted.blob.lower():
            return f"its git hash is {self._blob.hexdigest()}, it should be {wanted.blob.lower()}"
        return ""


def part_of(target: Path) -> Path:
    """Return where a file stands while it comes."""
    return target.with_name(f"{target.name}.part")


def memo_of(part: Path) -> Path:
    """Return the file that says of what a part is."""
    return part.with_name(f"{part.name}.json")


def keep_memo(part: Path, wanted: Wanted, validator: str, total: int | None) -> None:
    """Write down of what the part is."""
    memo_of(part).write_text(json.dumps({"of": wanted.mark, "validator": validator, "size": total}), encoding="utf-8")


def left_of(wanted: Wanted, part: Path) -> tuple[int, str, int | None]:
    """Return how much of the file is there, its validator and its size as told then; what cannot go on is dropped.

    Without a hash and a validator nobody could tell whether the rest is of the same file.
    """
    have = size_of(part)
    if not have:
        return 0, "", None
    try:
        memo: Any = json.loads(memo_of(part).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        memo = None
    memo = memo if isinstance(memo, dict) else {}
    validator, total = memo.get("validator"), memo.get("size")
    total = total if type(total) is int else None
    sure = bool(wanted.sha256 or wanted.blob or validator)
    if memo.get("of") != wanted.mark or not isinstance(validator, str) or not sure:
        have = 0
    if wanted.size is not None and have > wanted.size:
        have = 0
    if not have:
        drop(part)
        return 0, "", None
    return have, validator if isinstance(validator, str) else "", total


def drop(part: Path) -> None:
    """Take a part and its memo away."""
    part.unlink(missing_ok=True)
    memo_of(part).unlink(missing_ok=True)


def size_of(file: Path) -> int:
    """Return a file's size in bytes, 0 where it is not there."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def held(part: Path) -> Iterator[None]:
    """Hold a part alone, against another process that fetches the same. Raises StorageError where one does."""
    from filelock import FileLock, Timeout

    part.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(part.with_name(f"{part.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise StorageError(f"{part}: another download is writing it; wait for that one to end.") from None
    try:
        yield
    finally:
        with suppress(OSError):  # Windows keeps a file that is open
            Path(lock.lock_file).unlink()
        lock.release()


@contextmanager
def storage(target: Path) -> Iterator[None]:
    """Turn trouble with the disk into StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{target}: cannot be written ({error.strerror or error}); make room or choose another folder with --to. "
            "What has come is kept for the next time."
        ) from None
