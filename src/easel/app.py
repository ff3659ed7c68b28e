"""The composition root: the one place where floors are wired together.

Nothing is built at import time; heavy imports happen inside the makers.
"""

from __future__ import annotations

from easel.core.client import EngineClient
from easel.core.settings import Settings


def open_client(settings: Settings) -> EngineClient:
    """Return a client that runs requests in a thread of this process; models load at their first use."""
    from easel.models.vendor import answer_mkl

    if settings.answer_mkl:
        answer_mkl()  # before anything imports torch
    from easel.engine.local import LocalClient
    from easel.engine.shelf import Shelf
    from easel.models.library.names import Library

    return LocalClient(Shelf(Library(settings), settings), max_rows=settings.max_rows)
