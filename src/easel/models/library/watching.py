"""New and changed model files read in the background, so that a list has them before somebody asks.

For doors that stay: a server, a page. Knows no list and no screen.
"""

from __future__ import annotations

import threading

from easel.models.library.names import Library

OFTEN = 2.0  # seconds between two looks at the folders' dates
SELDOM = 30  # looks, after which every file is looked at: one may have been written in its place


class Watch:
    """A thread that reads what is not read yet in a library's folders, from now until it is closed."""

    def __init__(self, library: Library, every: float = OFTEN) -> None:
        self._library = library
        self._every = every
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="easel-models", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread after the file that it reads."""
        self._closing.set()
        self._thread.join()

    def _watch(self) -> None:
        """Look, read, rest."""
        looks = 0
        while not self._closing.is_set():
            if looks % SELDOM == 0:
                self._library.refresh()
            for _ in self._library.read():
                if self._closing.is_set():
                    return
            looks += 1
            self._closing.wait(self._every)
