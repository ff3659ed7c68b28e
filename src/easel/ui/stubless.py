"""Loading Gradio in half the time: without the type stubs that it writes whenever it is imported.

For each of its widgets it parses its own source and writes a file beside it, for editors. Nothing here reads those, and
a package's folder is not always one that may be written to. Knows nothing of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

MODULE, FUNCTION = "gradio.component_meta", "create_or_modify_pyi"


class Finder(MetaPathFinder):
    """Finds that one module as usual, and has its function for stubs do nothing."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how the module is loaded; None for every other."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname == MODULE else None
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_without_stubs(module: ModuleType) -> None:
            load(module)
            if hasattr(module, FUNCTION):
                setattr(module, FUNCTION, lambda *_: None)

        spec.loader.exec_module = load_without_stubs  # type: ignore[method-assign]
        return spec


@contextmanager
def without_stubs() -> Generator[None]:
    """Have Gradio write no stubs where it is imported for the first time in here."""
    finder = Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
