"""Converts a checkpoint: what is checked before a byte is written, and writing it as one file.

Between single file and diffusers folder, to another number format, without what training left behind, with the running
average or another autoencoder in place of its own. Folders are written by converting_folder.py. Knows no screen.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from easel.core.errors import BadValue, Incomplete, Mismatch
from easel.models.files.opening import listing_of
from easel.models.files.writing import Planned, ordered, passing, write_safetensors
from easel.models.files.writing_formats import format_for, in_format, word_for
from easel.models.layouts.identify import Identity
from easel.models.rewriting.record import specification
from easel.models.rewriting.stock import Entry, Stock, batches, read_rows
from easel.models.rewriting.words import check_words

EMA, OF_EMA = "model_ema.", "model."  # a running average's names have no dots behind the first
MARKS = {"v_pred": ("prediction", "v_prediction"), "ztsnr": ("zero_snr", True)}  # of XL, which other programs read


@dataclass(frozen=True, slots=True)
class Change:
    """What is asked of a conversion.

    dtype: number format, None for what each tensor has. prune: whether what training left behind stays away; keep_ema:
    but for the running average. use_ema: whether the running average takes the weights' place.
    """

    dtype: str | None = None
    prune: bool = False
    keep_ema: bool = False
    use_ema: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Where one tensor of the new file comes from: which model, and the name there; None for an empty mark."""

    source: tuple[int, str] | None
    planned: Planned


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion that was checked: the model, perhaps another that gives its autoencoder, and the tensors."""

    stocks: tuple[Stock, ...]
    change: Change
    rows: Mapping[str, Row]

    @property
    def identity(self) -> Identity:
        """What the model is."""
        return self.stocks[0].identity

    @property
    def planned(self) -> dict[str, Planned]:
        """The new file's tensors."""
        return {name: row.planned for name, row in self.rows.items()}


def plan_conversion(stock: Stock, change: Change, vae: Stock | None = None) -> Conversion:
    """Return the conversion of a model with everything checked and nothing read.

    vae: another model that gives its autoencoder. Raises RequestError for the wish, Incomplete, Mismatch.
    """
    if change.keep_ema and change.use_ema:
        raise BadValue("keep_ema", True, "nothing beside use_ema, which puts the average in the weights' place")
    if change.keep_ema and not change.prune:
        raise BadValue("keep_ema", True, "for prune; without it everything is kept")
    dtype = word_for(change.dtype) if change.dtype else None
    averages = averages_of(stock) if change.use_ema or change.keep_ema else {}
    rows: dict[str, Row] = {}
    for name, entry in stock.entries.items():
        if stays_away(name, entry, change) or (vae and entry.part == "vae"):
            continue
        rows[name] = Row((0, averages[name] if change.use_ema and name in averages else name), kept(entry, dtype))
    for name, entry in (vae.entries if vae else {}).items():
        rows[name] = Row((1, name), kept(entry, dtype))
    return Conversion((stock, vae) if vae else (stock,), change, rows)


def stays_away(name: str, entry: Entry, change: Change) -> bool:
    """Return whether a conversion leaves a tensor out."""
    if name.startswith(EMA):
        return change.use_ema or (change.prune and not change.keep_ema)
    return change.prune and entry.leftover


def kept(entry: Entry, dtype: str | None) -> Planned:
    """Return how a tensor is kept; the noise schedule and its like keep their format."""
    return Planned(
        format_for(entry.planned.dtype, entry.planned.shape, dtype if entry.weighs else None), entry.planned.shape
    )


def averages_of(stock: Stock) -> dict[str, str]:
    """Return the name of the running average of each of the denoiser's tensors. Raises Incomplete, Mismatch."""
    found: dict[str, str] = {}
    if not any(name.startswith(EMA) for name in stock.entries):
        raise Incomplete(f"{stock.where}: has no running average ({EMA}*).")
    for name, entry in stock.entries.items():
        if entry.part not in ("unet", "transformer") or not entry.modules:
            continue
        average = EMA + name.removeprefix(OF_EMA).replace(".", "")
        if average not in stock.entries:
            raise Incomplete(f"{stock.where}: has no {average!r}, the running average of {name!r}.")
        if (shape := stock.entries[average].planned.shape) != entry.planned.shape:
            raise Mismatch(f"{stock.where}: {average!r} is {shape}, {name!r} is {entry.planned.shape}.")
        found[name] = average
    return found


def marks_of(conversion: Conversion) -> dict[str, Row]:
    """Return the empty tensors by which an XL file tells that it predicts v, or from nothing but noise."""
    identity = conversion.identity
    if identity.family != "sdxl":
        return {}
    wanted = (name for name, (field, value) in MARKS.items() if getattr(identity, field) == value)
    return {name: Row(None, Planned("F32", (0,))) for name in wanted if name not in conversion.rows}


def converted_tensors(conversion: Conversion) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a conversion in the order of its file; at no time more than a few are in memory."""
    rows = conversion.rows
    for batch in batches(ordered(conversion.planned), {name: row.planned.size for name, row in rows.items()}):
        found = read_rows(conversion.stocks, [source for name in batch if (source := rows[name].source)])
        for name in batch:
            source, planned = rows[name].source, rows[name].planned
            yield name, in_format(found[source] if source else torch.zeros(planned.shape), planned.dtype)


def write_file(conversion: Conversion, out: Path, *, force: bool = False) -> Generator[int, None, None]:
    """Write a conversion to the single file `out` and yield the bytes of each tensor; it is there when all are written.

    Raises StorageError, BadValue where something stands at `out` and is not to be replaced, Mismatch for words that a
    file cannot carry.
    """
    if out.suffix.lower() != ".safetensors":
        raise BadValue("OUT", str(out), "a file whose name ends in .safetensors")
    check_words(conversion.stocks[0])
    whole = replace(conversion, rows={**conversion.rows, **marks_of(conversion)})
    with passing(out, force=force) as beside:
        yield from write_safetensors(beside, whole.planned, converted_tensors(whole), metadata_of(whole, out.stem))


def metadata_of(conversion: Conversion, title: str) -> dict[str, str]:
    """Return the new file's metadata: what the model's own file says, and where it says nothing the specification's."""
    stock = conversion.stocks[0]
    said = listing_of(stock.where).metadata if stock.where.is_file() else {}
    fields = specification(stock, title)
    prediction = {key: fields[key] for key in ("modelspec.prediction_type",) if key in fields}
    return {**fields, **said, **prediction}
