"""What is loaded: models and networks by name, each read once and kept until it is closed.

Knows where names stand through a Library and who reads which kind; knows no runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from easel.core.settings import Settings
from easel.core.work import Wanted
from easel.models.library import Library

if TYPE_CHECKING:
    from easel.models.family import Model


class Shelf:
    """Loaded things by what was wanted. One instance per engine, used by its thread alone."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self.library = library
        self._settings = settings
        self._models: dict[Path, Model] = {}
        self._found: dict[Wanted, Path] = {}  # where wanted ones stood when they were loaded

    def check(self, wanted: Wanted) -> None:
        """Raise UnknownName, BadValue or ModelError where something wanted cannot be loaded; reads no weights."""
        self.library.find(wanted.name)

    def load(self, wanted: Wanted) -> Any:
        """Return something wanted, reading it at its first use. Raises UnknownName, BadValue or ModelError."""
        return self.model(wanted)

    def model(self, wanted: Wanted) -> Model:
        """Return a model; one whose place is still there is not looked up again."""
        from easel.models.family import load
        from easel.models.identify import identify

        known = self._found.get(wanted)
        if known is not None and known.exists():
            return self._models[known]
        path, shown = self.library.where(wanted.name)
        if path not in self._models:
            self._models[path] = load(identify(path, shown), self._settings)
        self._found[wanted] = path
        return self._models[path]

    def rest(self) -> None:
        """Give back the memory that forwards have left; called when there has been nothing to do for a while."""
        if self._models:
            from easel.models.memory import give_back_memory

            give_back_memory()

    def close(self) -> None:
        """Forget what is loaded."""
        self._models.clear()
        self._found.clear()
