"""The one tree of errors, and how they speak.

    EaselError
      RequestError       the asker can fix it          UnknownName · BadValue · Unsupported · UnknownJob
      ResourceError      the house cannot now          OutOfMemory · QueueFull · StorageError
      ModelError         the file is the trouble       Unrecognised · Incomplete · Mismatch · Unsafe
      AccessError        who asks may not              Unauthorised · Forbidden · TooManyTries
      Cancelled          an event, not an error
      Internal           ours, with the run's id

A message is one line: what was wrong, the value, what is allowed, what to do.
This file does not know who shows the message; doors choose HTTP statuses and exit codes by class.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST_VALUE_SHOWN = 60


class EaselError(Exception):
    """Everything Easel raises on purpose."""

    @property
    def message(self) -> str:
        """The one line to show."""
        return str(self)


class RequestError(EaselError):
    """The asker can fix it."""


class UnknownName(RequestError):
    """A name that no registry knows; the nearest known one is offered, never taken."""

    def __init__(self, kind: str, got: str, known: Iterable[str], *, listing: str | None = None) -> None:
        self.kind = kind
        self.got = got
        self.known = tuple(known)
        self.nearest = nearest(got, self.known)
        hint = f"; nearest {self.nearest!r}" if self.nearest else ""
        where = f" {listing} lists all {len(self.known)}." if listing else f" Known: {shown_list(self.known)}."
        super().__init__(f"{kind} {shown(got)} is not known{hint}.{where}")


class BadValue(RequestError):
    """A field holds a value outside what is allowed."""

    def __init__(self, field: str, got: object, allowed: str, *, remedy: str | None = None) -> None:
        self.field = field
        self.got = got
        self.allowed = allowed
        self.remedy = remedy
        tail = f"; {remedy}" if remedy else ""
        super().__init__(f"{field} is {shown(got)}, allowed is {allowed}{tail}.")


class Unsupported(RequestError):
    """Understood, but this model or build cannot do it."""


class UnknownJob(RequestError):
    """No job has this id, or it is another user's: both look alike from outside."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(f"job {shown(id)} is not known; it may have been pruned, or be another user's.")


class ResourceError(EaselError):
    """The house cannot now: memory, disk, a full queue."""


class OutOfMemory(ResourceError):
    """A forward did not fit; sizes in bytes, None where the machine did not say."""

    def __init__(self, needed: int | None, free: int | None, remedy: str) -> None:
        self.needed = needed
        self.free = free
        self.remedy = remedy
        facts = ", ".join(
            f"{name} {size / 2**20:.0f} MiB" for name, size in (("needed", needed), ("free", free)) if size is not None
        )
        super().__init__(f"out of memory{f' ({facts})' if facts else ''}; {remedy}.")


class QueueFull(ResourceError):
    """No place for another request now."""


class StorageError(ResourceError):
    """A file or folder could not be written or read: full, read-only or missing."""


class ModelError(EaselError):
    """The model's file is the trouble; the message names file and key."""


class Unrecognised(ModelError):
    """No family knows this file."""


class Incomplete(ModelError):
    """Parts or tensors are missing, or the file is cut short."""


class Mismatch(ModelError):
    """A tensor's shape or kind is not what the architecture needs."""


class Unsafe(ModelError):
    """Loading would run code that the file brings along."""


class AccessError(EaselError):
    """Who asks may not, as they are."""


class Unauthorised(AccessError):
    """Nobody, or a name with the wrong secret: both are told the same."""


class Forbidden(AccessError):
    """Known, and still not theirs to do."""


class TooManyTries(AccessError):
    """Wrong secrets, too often; `seconds` until the next may be tried."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(
            f"too many wrong passwords or keys from here or for this name; try again in {seconds} seconds."
        )


class Cancelled(EaselError):
    """The asker changed their mind; an event, not a failure."""


class Internal(EaselError):
    """A fault of Easel's own, with the id of the run it ended."""

    def __init__(self, run: str, cause: BaseException) -> None:
        self.run = run
        super().__init__(f"internal error in run {run}: {type(cause).__name__}: {' '.join(str(cause).split())}")


def nearest(got: str, known: Iterable[str]) -> str | None:
    """Return the known name most like `got`, or None where none is near; case and spaces do not count."""
    folded = {"".join(name.casefold().split()): name for name in known}
    close = difflib.get_close_matches("".join(got.casefold().split()), list(folded), n=1, cutoff=0.5)
    return folded[close[0]] if close else None


def shown(value: object) -> str:
    """Return `value` as it may stand in a one-line message: quoted, escaped, cut when long."""
    text = repr(value)
    text = text if text.isprintable() else ascii(" ".join(text.split()) if not isinstance(value, str) else value)
    length = len(value) if isinstance(value, str) else len(text)
    return text if len(text) <= LONGEST_VALUE_SHOWN else f"{text[:LONGEST_VALUE_SHOWN]}… ({length} characters)"


def shown_list(names: Iterable[str]) -> str:
    """Return names joined for a message."""
    return ", ".join(names) or "none"
