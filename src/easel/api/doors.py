"""What every dialect gets to work with: one queue, its news, the models by name, and the house's settings.

Dialects translate; whatever they have in common stands here. Knows no HTTP but who calls.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import Request as HttpRequest

from easel.api.addresses import Addresses
from easel.api.circumstances import Circumstances
from easel.core.caller import Caller
from easel.core.errors import Forbidden
from easel.core.figures import Figures
from easel.core.request import Request
from easel.core.settings import Settings
from easel.jobs.album import given_away
from easel.jobs.feed import Feed
from easel.jobs.job import Job, Kept
from easel.jobs.repeating import answered
from easel.jobs.store import Store
from easel.models.library.names import Library


def caller_of(http: HttpRequest) -> Caller:
    """Return who makes a request, as api/security.py found; nobody comes past it."""
    return http.state.caller


class Closing:
    """Tells streams that the server ends; from any thread, to any loop."""

    def __init__(self) -> None:
        self.asked = False
        self._wakers: dict[object, Callable[[], None]] = {}
        self._lock = threading.RLock()  # a signal handler may ask in the middle of heard()

    def ask(self) -> None:
        """End every stream."""
        with self._lock:
            self.asked = True
            wakers = list(self._wakers.values())
        for wake in wakers:
            wake()

    @contextmanager
    def heard(self, wake: Callable[[], None]) -> Generator[None]:
        """Have `wake` called when the server ends, at once where it does already; it must not wait."""
        token = object()
        with self._lock:
            self._wakers[token] = wake
            asked = self.asked
        if asked:
            wake()
        try:
            yield
        finally:
            with self._lock:
                del self._wakers[token]

    @property
    def streams(self) -> int:
        """How many listen."""
        return len(self._wakers)


def accepted(request: Request) -> None:
    """Accept every request: what is wrong is told when it runs."""


@dataclass(frozen=True, slots=True)
class Doors:
    """What routes are made with.

    album: the folder below which finished pictures stand. check: raises RequestError or ModelError for what cannot run;
    reads no weights. figures: what the engine counts. closing: ends streams with the server.
    addresses: fetches pictures, None where the house fetches none. circumstances: what pictures depend on besides their
    requests.
    """

    store: Store
    feed: Feed
    library: Library
    settings: Settings
    album: Path
    check: Callable[[Request], None] = accepted
    figures: Callable[[], Figures] = Figures
    closing: Closing = field(default_factory=Closing)
    addresses: Addresses | None = None
    circumstances: Circumstances = field(default_factory=Circumstances)

    async def submit(
        self, request: Request, caller: Caller, priority: int = 0, id: str | None = None, *, repeat: bool = False
    ) -> Job:
        """Keep a request in the queue and return its job; every dialect's requests come through here.

        repeat: whether pictures that its asker has of the very same request, its seed given, answer it at once.
        Raises RequestError, ModelError and QueueFull before anything is kept, Forbidden for a priority above others'.
        """
        if priority > 0 and not caller.admin:
            raise Forbidden(f"priority is {priority}, allowed is at most 0 for who is no admin.")
        return await asyncio.to_thread(self._submit, request, caller.name, priority, id, repeat)

    def _submit(self, request: Request, user: str, priority: int, id: str | None, repeat: bool) -> Job:
        self.check(request)
        told = self.circumstances.told(self.library, self.settings, now=repeat)
        if repeat and (job := answered(self.store, self.album, request, user, priority, id, told)):
            return job
        return self.store.submit(request, user, priority, id, circumstances=told)

    def file_of(self, kept: Kept) -> Path:
        """Return where a finished picture stands. Raises StorageError where it is gone, or was led out of the album."""
        return given_away(self.album, kept)
