"""A file that is wanted from the web, and what is told while it comes. Values only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

SLACK = 2**20  # bytes that a file may have beyond twice the size that a site names roughly


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file on the web. name: below the folder it goes to; size: exact, in bytes; about: as the site rounds it.

    sha256: hex digits; blob: git's SHA-1 of a small file. Each "" or None where the site does not say.
    """

    url: str
    name: str
    size: int | None = None
    about: int | None = None
    sha256: str = ""
    blob: str = ""

    @property
    def expected(self) -> int | None:
        """The size in bytes as far as it is known before."""
        return self.size if self.size is not None else self.about

    @property
    def most(self) -> int | None:
        """The bytes beyond which it cannot be this file."""
        return self.size if self.size is not None else None if self.about is None else 2 * self.about + SLACK

    @property
    def mark(self) -> str:
        """What tells this file from every other, without an address, which may hold a secret."""
        told = self.sha256.lower() or self.blob.lower() or self.url
        return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Progress:
    """How many bytes of a file there are, of how many (None where nobody says)."""

    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Note:
    """Something to tell on the way."""

    text: str


Event = Progress | Note
