"""What the page works with: one queue, its news, the models by name and the house's settings; and who asks.

Knows neither HTTP dialects nor widgets: a tab asks here, and what it asks for goes through the queue like everybody's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from easel.core.caller import Caller
from easel.core.figures import Figures
from easel.core.request import Request
from easel.core.settings import Settings
from easel.jobs.album import given_away
from easel.jobs.feed import Feed
from easel.jobs.job import Job, Kept
from easel.jobs.store import Store
from easel.models.library.names import Library
from easel.ui.workshop import Workshop

if TYPE_CHECKING:
    import gradio
    from starlette.requests import HTTPConnection


@dataclass(frozen=True, slots=True)
class House:
    """What tabs are made with; its fields are those of app.Serving, and the settings.

    album: the folder below which finished pictures stand. check: raises RequestError or ModelError for what cannot run.
    workshop: does long work on model files; close it at the end.
    """

    store: Store
    feed: Feed
    library: Library
    settings: Settings
    album: Path
    check: Callable[[Request], None]
    figures: Callable[[], Figures]
    workshop: Workshop = field(default_factory=Workshop)

    def submit(self, request: Request, caller: Caller) -> Job:
        """Keep a request in the queue and return its job. Raises RequestError, ModelError, QueueFull, StorageError."""
        self.check(request)
        return self.store.submit(request, caller.name)

    def file_of(self, kept: Kept) -> Path:
        """Return where a finished picture stands. Raises StorageError where it is gone, or was led out of the album."""
        return given_away(self.album, kept)


def caller_of(request: gradio.Request | HTTPConnection) -> Caller:
    """Return who asks, as the gate in front of the page found."""
    return request.state.caller
