"""A model's tensors under the names of a published single file, listed at once and read a few at a time.

What merging and converting work on. Knows no formulas and writes nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from easel.models.files.pickled import is_pickled
from easel.models.files.weights import read_tensors
from easel.models.files.writing import FORMATS, Planned
from easel.models.layouts.identify import Identity
from easel.models.layouts.pieces import plain
from easel.models.layouts.single import contents_of
from easel.models.layouts.sources import PARTS, Source

AT_ONCE = 2**26  # bytes read from one model at a time, or one tensor where it is larger
# What training programs leave beside the weights, by how names begin.
TRAINING = ("model_ema.", "first_stage_model.loss.", "embedding_manager.", "model.embedding_manager.")


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor: its format and shape, the part that it belongs to, and what that part's module calls it.

    part: "" for what belongs to none, such as the noise schedule. modules: several names where the file keeps them in
    one, none for what no module reads. leftover: whether training left it behind.
    """

    planned: Planned
    part: str
    modules: tuple[str, ...]
    leftover: bool = False

    @property
    def weighs(self) -> bool:
        """Whether it is a weight, whose format may change; the noise schedule and marks are none."""
        return bool(self.part) or self.leftover


class Stock(ABC):
    """A model's tensors by their names in a single file."""

    def __init__(self, identity: Identity, source: Source) -> None:
        self.identity = identity
        self.source = source

    @property
    def where(self) -> Path:
        """The file or folder, for messages."""
        return self.identity.path

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """The tensors, listed once. Raises ModelError."""
        return self.listed()

    def called(self, name: str, entry: Entry) -> str | None:
        """Return the name here of the tensor that another stock calls `name`, None where there is none."""
        there = self.entries.get(name)
        if there is not None and there.modules == entry.modules:
            return name
        return self.by_modules.get((entry.part, entry.modules)) if entry.modules else None

    @cached_property
    def by_modules(self) -> dict[tuple[str, tuple[str, ...]], str]:
        """The names of what modules read, by part and module."""
        return {(entry.part, entry.modules): name for name, entry in self.entries.items() if entry.modules}

    @abstractmethod
    def listed(self) -> dict[str, Entry]:
        """Return the tensors. Raises ModelError."""

    @abstractmethod
    def read(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Return tensors by name, those kept in few bits in full. Raises ModelError."""


class FileStock(Stock):
    """A single file, under the names that it has."""

    def listed(self) -> dict[str, Entry]:
        """Return the tensors; what no module reads belongs to the part whose names begin alike."""
        contents = contents_of(self.where)
        placed = {key: (part, place) for part, taken in contents.parts.items() for key, place in taken.places.items()}
        parts: dict[str, str] = {}  # by a placed name and by every beginning of it
        for key, (part, _) in placed.items():
            for beginning in beginnings(key):
                parts.setdefault(beginning, part)
        found: dict[str, Entry] = {}
        for key, stored in contents.listing.tensors.items():
            part = next((parts[beginning] for beginning in beginnings(key) if beginning in parts), "")
            modules = placed[key][1].names if key in placed else ()
            word = stored.dtype if stored.dtype in FORMATS else "F16"  # of a weight in few bits, which is read in full
            found[key] = Entry(Planned(word, stored.shape), part, modules, key.startswith(TRAINING))
        return found

    @cached_property
    def mapped(self) -> Mapping[str, Any]:
        """All tensors of a pickle, which is opened once and read as its tensors are touched."""
        return read_tensors((self.where,))

    def read(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Return tensors by name."""
        found = self.mapped if is_pickled(self.where) else read_tensors((self.where,), set(names))
        return {name: plain(found[name]) for name in names}


def beginnings(name: str) -> Iterator[str]:
    """Yield a name and each beginning of it that ends before a dot, the longest first."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def parts_of(source: Source) -> list[str]:
    """Return the parts that a model has, by diffusers' names."""
    return [part for part in PARTS if source.has(part)]


def batches(names: Iterable[str], sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Yield names in order, as many at once as AT_ONCE bytes hold and at least one."""
    batch: list[str] = []
    held = 0
    for name in names:
        if batch and held + sizes[name] > AT_ONCE:
            yield batch
            batch, held = [], 0
        batch.append(name)
        held += sizes[name]
    if batch:
        yield batch


def read_rows(stocks: Sequence[Stock], wanted: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Tensor]:
    """Return tensors by the number of their stock and their name."""
    found: dict[tuple[int, str], Tensor] = {}
    for place, stock in enumerate(stocks):
        names = list(dict.fromkeys(name for at, name in wanted if at == place))
        found |= {(place, name): tensor for name, tensor in stock.read(names).items()} if names else {}
    return found
