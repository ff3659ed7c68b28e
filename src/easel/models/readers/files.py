"""Networks by the files that preprocessors need: found in the library or the hub's cache, read once, kept by an owner.

Knows files and how to keep what was read of them; what a network computes, its reader knows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from easel.core.errors import Unsupported
from easel.models.library.kinds import KINDS
from easel.models.library.places import STEMS
from easel.models.readers.needs import KIND, Need

if TYPE_CHECKING:
    from torch import nn

    from easel.models.accelerate import Machine
    from easel.models.library.names import Library
    from easel.models.readers.onnx import Onnx

KEPT = 4  # networks at a time; some are as large as a denoiser
CONFIG = "config.json"

Network = TypeVar("Network")


class Readers:
    """Networks of preprocessors, the least recently used forgotten. One instance per owner, used by one thread.

    library: where their files are looked for, None for the hub's cache alone; machine: where they run, None for the
    processor.
    """

    def __init__(self, library: Library | None = None, machine: Machine | None = None) -> None:
        self.library = library
        self.machine = machine
        self._kept: OrderedDict[tuple[Path, int, int, str], Any] = OrderedDict()

    @property
    def device(self) -> str:
        """Where networks run."""
        return "cpu" if self.machine is None else self.machine.device

    @property
    def home(self) -> str:
        """Where networks wait between calls."""
        return "cpu" if self.machine is None else self.machine.home

    def using(self, network: nn.Module) -> AbstractContextManager[None]:
        """Return a context in which a torch network is ready on the device. Raises OutOfMemory."""
        return nullcontext() if self.machine is None else self.machine.using(network)

    def file(self, need: Need) -> Path:
        """Return the file or folder that meets a need. Raises Unsupported, which tells how to get it."""
        found = found_for(need, self.library)
        if found is None:
            what = "the folder" if need.folder else "the file"
            raise Unsupported(
                f"this preprocessor needs {what} {need.name}, which is not there; `{need.get}` gets it, or put it into "
                f"the folder {KINDS[KIND].folders[0]} of your models."
            )
        return found

    def network(self, need: Need, read: Callable[[Path, str], Network]) -> Network:
        """Return what `read` makes of a need's file or folder, given where it is to wait; made at the first time."""
        return self.at(self.file(need), read)

    def at(self, path: Path, read: Callable[[Path, str], Network]) -> Network:
        """Return what `read` makes of a file or folder, made at the first time and when it changes."""
        stat = path.stat()
        key = (path, stat.st_size, stat.st_mtime_ns, f"{read.__module__}.{read.__qualname__}")
        if key not in self._kept:
            self._kept[key] = read(path, self.home)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def program(self, path: Path) -> Onnx:
        """Return an ONNX file, opened at the first time. Raises Unsupported without onnxruntime, Incomplete."""
        from easel.models.readers.onnx import open_on_cuda, open_onnx

        return self.at(path, open_on_cuda if self.device == "cuda" else open_onnx)

    def close(self) -> None:
        """Forget all networks."""
        self._kept.clear()


def found_for(need: Need, library: Library | None) -> Path | None:
    """Return the file or folder that meets a need, None where there is none on this machine."""
    places = library.places(KIND).values() if library is not None else ()
    named = [(name_of(path, folder=need.folder), path) for path in places]
    for pattern in (need.name, *need.others):
        for name, path in named:
            if name and fnmatch(like(name), like(pattern)):
                return path.parent if need.folder else path
    return cached(need)


def missing(needs: Iterable[Need], library: Library | None) -> list[Need]:
    """Return which of these needs nothing on this machine meets; looks at names alone."""
    return [need for need in needs if found_for(need, library) is None]


def name_of(path: Path, *, folder: bool) -> str:
    """Return what a file is called, or of a transformers folder's weights the folder; "" where it is not that."""
    if not folder:
        return path.name
    return path.parent.name if path.stem in STEMS and (path.parent / CONFIG).is_file() else ""


def like(name: str) -> str:
    """Return a name as names are compared."""
    return name.casefold().replace("_", "-")


def cached(need: Need) -> Path | None:
    """Return where the hub's cache on this machine has what is needed, None where it has not; asks nobody."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(need.repository, CONFIG if need.folder else need.name)
    if not isinstance(found, str):
        return None
    path = Path(found)
    if not need.folder:
        return path
    weighed = any(file.suffix in KINDS[KIND].endings for file in path.parent.iterdir())
    return path.parent if weighed else None
