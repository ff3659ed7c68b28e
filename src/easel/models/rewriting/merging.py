"""Merges checkpoints: what is checked before a byte is written, and the tensors that come out, one after another.

Two or three models of one family and variant, tensor by tensor in float32, with one ratio for all, for each part or
for each block of the U-Net. The formulas stand in merging_methods.py. Knows no screen.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from easel.core.errors import BadValue, Incomplete, Mismatch
from easel.models.files.writing import Planned, ordered, passing, write_safetensors
from easel.models.files.writing_formats import FLOATS, format_for, in_format, word_for
from easel.models.rewriting.blocks import Blocks, block_ratios, blocks_of
from easel.models.rewriting.methods import Method, merged, method_called
from easel.models.rewriting.record import LETTERS, Wish, record
from easel.models.rewriting.stock import Entry, Stock, batches, read_rows
from easel.models.rewriting.words import check_words

USUAL = 0.3  # of B, where nothing is said


@dataclass(frozen=True, slots=True)
class Row:
    """How one tensor of the new file comes about: the ratio, and the tensors that the formula takes, A's first.

    sources: (which model, the name there); with one alone there is no formula and the tensor is a copy.
    """

    ratio: float
    planned: Planned
    sources: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Ratios:
    """How much of B: of what is in no block, of the text encoders, of the autoencoder, and block by block."""

    base: float
    text: float
    vae: float
    blocks: Blocks | None = None
    each: tuple[float, ...] = ()

    def of(self, name: str, part: str) -> float:
        """Return the ratio of a tensor."""
        if part == "vae" or part.startswith("text"):
            return self.vae if part == "vae" else self.text
        place = self.blocks.place(name) if self.blocks else None
        return self.base if place is None else self.each[place]


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge that was checked: models, formula and each tensor that the new file will hold."""

    stocks: tuple[Stock, ...]
    method: Method
    ratios: Ratios
    rows: dict[str, Row]
    wish: Wish

    @property
    def planned(self) -> dict[str, Planned]:
        """The new file's tensors."""
        return {name: row.planned for name, row in self.rows.items()}


def plan_merge(stocks: Sequence[Stock], wish: Wish, vae: Stock | None = None) -> Merge:
    """Return the merge that is wished of models A, B and perhaps C, with everything checked and nothing read.

    vae: another model that gives its autoencoder. Raises RequestError for the wish, Mismatch or Incomplete naming file
    and tensor where the models do not fit each other.
    """
    method = method_called(wish.method)
    if len(stocks) != method.models:
        given = ", ".join(LETTERS[: len(stocks)])
        raise BadValue("models", given, f"{', '.join(LETTERS[: method.models])} for the method {method.name!r}")
    a = stocks[0]
    for other in stocks[1:]:
        check_alike(a, other)
    ratios = ratios_of(wish, method, a)
    donor = {"A": 0, "B": 1}.get(wish.vae or "", len(stocks)) if wish.vae else None
    if donor == len(stocks) and vae is None:
        raise BadValue("vae", wish.vae, "'A', 'B', or a file or folder with an autoencoder")
    models = (*stocks, vae) if vae else tuple(stocks)
    dtype = word_for(wish.dtype) if wish.dtype else None
    rows = dict(rows_of(stocks, ratios, dtype, skipping="vae" if donor is not None else None))
    if donor is not None:
        rows |= dict(copies(models, donor, "vae", dtype))
    return Merge(models, method, ratios, rows, wish)


def ratios_of(wish: Wish, method: Method, a: Stock) -> Ratios:
    """Return the ratios that a wish asks for. Raises BadValue, UnknownName, Unsupported."""
    base, blocks, each = wish.ratio, None, ()
    if wish.blocks:
        blocks = blocks_of(name for name, entry in a.entries.items() if entry.part == "unet")
        told, each = block_ratios(wish.blocks, blocks)
        if told is not None and base is not None:
            raise BadValue("ratio", base, "nothing beside blocks that begin with the base")
        base = next(value for value in (told, base, 0.0) if value is not None)
    base = USUAL if base is None else base
    text = base if wish.text_ratio is None else wish.text_ratio
    vae = base if wish.vae_ratio is None else wish.vae_ratio
    if wish.vae and wish.vae_ratio is not None:
        raise BadValue("vae_ratio", wish.vae_ratio, "nothing beside vae, which takes an autoencoder whole")
    for what, value in (("ratio", base), ("text_ratio", text), ("vae_ratio", vae)):
        method.check(what, value)
    for name, value in zip(blocks.names if blocks else (), each, strict=True):
        method.check(f"ratio of {name}", value)
    return Ratios(base, text, vae, blocks, each)


def check_alike(a: Stock, other: Stock) -> None:
    """Raise Mismatch unless two models are of one family and variant and predict the same."""
    one, two = a.identity, other.identity
    if (one.family, one.variant) != (two.family, two.variant):
        raise Mismatch(
            f"{other.where}: is {two.family} {two.variant}, {a.where} is {one.family} {one.variant}; only models of "
            "one kind can be merged."
        )
    if one.prediction != two.prediction:
        raise Mismatch(
            f"{other.where}: predicts {two.prediction} ({two.known_by}), {a.where} {one.prediction} ({one.known_by}); "
            "such weights do not mix. Where a file is taken wrongly, NAME.easel.json beside it says what it predicts."
        )
    if two.inpaints and not one.inpaints:
        raise Mismatch(f"{other.where}: is an inpainting model and {a.where} is not; make the inpainting model A.")


def rows_of(
    stocks: Sequence[Stock], ratios: Ratios, dtype: str | None, *, skipping: str | None
) -> Iterator[tuple[str, Row]]:
    """Yield how each tensor of A comes about, but for those of the part `skipping`. Raises Incomplete, Mismatch.

    What no part reads, A's noise schedule for one, is A's; what training left behind stays away.
    """
    a = stocks[0]
    for name, entry in a.entries.items():
        if entry.part == skipping or entry.leftover:
            continue
        sources = [(0, name)]
        if entry.modules or in_all(name, entry, stocks[1:]):
            sources += [(place + 1, twin(a, name, other)) for place, other in enumerate(stocks[1:])]
        ratio = ratios.of(name, entry.part)
        yield name, Row(ratio, planned_as(entry, dtype), tuple(sources))
    for other in stocks[1:]:
        for name, entry in other.entries.items():
            if entry.modules and entry.part != skipping and a.called(name, entry) is None:
                raise Incomplete(f"{a.where}: has no {name!r}, which {other.where} has; merged are like models.")


def in_all(name: str, entry: Entry, others: Sequence[Stock]) -> bool:
    """Return whether a tensor that a part's module does not read, but the part has, stands in all models alike."""
    found = [other.entries.get(name) for other in others]
    return (
        bool(entry.part)
        and entry.planned.dtype in FLOATS
        and all(
            here is not None and here.planned.shape == entry.planned.shape and here.planned.dtype in FLOATS
            for here in found
        )
    )


def twin(a: Stock, name: str, other: Stock) -> str:
    """Return what another model calls a tensor of A's. Raises Incomplete where it has none, Mismatch by its shape."""
    entry = a.entries[name]
    if (called := other.called(name, entry)) is None:
        raise Incomplete(f"{other.where}: has no {name!r}, which {a.where} has; merged are like models.")
    here, there = entry.planned.shape, other.entries[called].planned.shape
    widened = a.identity.inpaints and not other.identity.inpaints and len(here) == 4 and here[1] > there[1]
    if here != there and not (widened and here[:1] + here[2:] == there[:1] + there[2:]):
        raise Mismatch(f"{other.where}: {called!r} is {there}, in {a.where} it is {here}; merged are like models.")
    return called


def copies(stocks: Sequence[Stock], place: int, part: str, dtype: str | None) -> Iterator[tuple[str, Row]]:
    """Yield the tensors of one model's part as they are. Raises Incomplete where it goes without."""
    found = [(name, entry) for name, entry in stocks[place].entries.items() if entry.part == part and entry.modules]
    if not found:
        raise Incomplete(f"{stocks[place].where}: has no autoencoder (VAE) to take.")
    for name, entry in found:
        yield name, Row(0, planned_as(entry, dtype), ((place, name),))


def planned_as(entry: Entry, dtype: str | None) -> Planned:
    """Return how a tensor is kept; the noise schedule and its like keep their format."""
    shape = entry.planned.shape
    return Planned(format_for(entry.planned.dtype, shape, dtype if entry.weighs else None), shape)


def merged_tensors(merge: Merge) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a merge in the order of its file; at no time more than a few are in memory."""
    names = ordered(merge.planned)
    for batch in batches(names, {name: row.planned.size for name, row in merge.rows.items()}):
        found = read_rows(merge.stocks, [source for name in batch for source in merge.rows[name].sources])
        for name in batch:
            row = merge.rows[name]
            tensors = tuple(found[source] for source in row.sources)
            whole = tensors[0] if len(row.sources) == 1 else merged(merge.method, tensors, row.ratio)
            yield name, in_format(whole, row.planned.dtype).reshape(row.planned.shape)


def write_merge(merge: Merge, out: Path, *, force: bool = False) -> Generator[int, None, None]:
    """Write a merge to the file `out` and yield the bytes of each tensor; the file is there when all are written.

    Raises StorageError, BadValue where something stands at `out` and is not to be replaced.
    """
    if out.suffix.lower() != ".safetensors":
        raise BadValue("OUT", str(out), "a file whose name ends in .safetensors")
    check_words(merge.stocks[0])
    metadata = record(
        merge.stocks, merge.method.models, merge.wish, merge.ratios.blocks, merge.ratios.each, title=out.stem
    )
    with passing(out, force=force) as beside:
        yield from write_safetensors(beside, merge.planned, merged_tensors(merge), metadata)
