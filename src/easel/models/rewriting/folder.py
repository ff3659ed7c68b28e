"""Writes a checkpoint as a diffusers folder: weights, configs, scheduler and words, as diffusers would have saved it.

Of a model that is a folder already, everything but the weights of its parts is copied.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from easel.core.errors import BadValue, Incomplete
from easel.models.files.writing import (
    Planned,
    check_room,
    ordered,
    passing,
    total_size,
    word_of,
    write_safetensors,
    written,
)
from easel.models.files.writing_formats import format_for, in_format, word_for
from easel.models.layouts.folders import class_of
from easel.models.layouts.names_text import TOWER, projects
from easel.models.layouts.pieces import plain, taken_apart
from easel.models.layouts.single import contents_of
from easel.models.layouts.sources import Source
from easel.models.rewriting.converting import Conversion, averages_of
from easel.models.rewriting.pipelines import config_of, index_of, scheduler_of, tokenizer_name
from easel.models.rewriting.stock import parts_of
from easel.models.rewriting.words import write_json, write_words

DIFFUSERS, TRANSFORMERS = "diffusion_pytorch_model.safetensors", "model.safetensors"
WEIGHTS = (".safetensors", ".bin", ".msgpack", ".h5", ".onnx", ".index.json", ".index.fp16.json")  # and their lists
TWICE = "encoder.embed_tokens.weight"  # T5's words, which the module has under two names


def write_folder(conversion: Conversion, out: Path, *, force: bool = False) -> Generator[int, None, None]:
    """Write a conversion to the diffusers folder `out` and yield the bytes of each tensor.

    The folder is there when all is written. Raises StorageError, BadValue where something stands at `out` and is not to
    be replaced, Incomplete for a model that goes without a part.
    """
    parts = folder_parts(conversion)
    is_folder = conversion.identity.layout == "folder"
    with passing(out, force=force) as beside:
        with written(out):
            beside.mkdir()
            check_room(beside, total_size(conversion.planned))
            if is_folder:
                copy_rest(conversion.stocks[0].where, beside, parts)
        for part, source in parts.items():
            with written(out):
                write_json(beside / part / "config.json", full_config(source.config(part)))
            yield from write_weights(conversion, part, source, beside / part)
        if not is_folder:
            with written(out):
                finish(conversion, parts, beside)


def folder_parts(conversion: Conversion) -> dict[str, Source]:
    """Return where each part of the new folder comes from. Raises BadValue, Incomplete."""
    stock, *donors = conversion.stocks
    if conversion.change.keep_ema:
        raise BadValue("--keep-ema", True, "for a single file; a folder holds the parts alone")
    parts = {part: stock.source for part in parts_of(stock.source)}
    if donors:
        parts["vae"] = donors[0].source
    lacks = [word for word in stock.identity.missing if not (donors and "VAE" in word)]
    if lacks or "vae" not in parts:
        missing = ", no ".join(lacks or ["autoencoder (VAE)"])
        raise Incomplete(f"{stock.where}: has no {missing}; a folder needs every part. --vae gives an autoencoder.")
    kinds = {part: class_of(dict(source.config(part))) for part, source in parts.items()}
    if stock.identity.layout == "file" and (words := [part for part, kind in kinds.items() if kind.startswith("T5")]):
        raise Incomplete(
            f"{stock.where}: the words of T5 ({tokenizer_name(words[0])}) are in no single file and not in Easel; a "
            "folder needs them."
        )
    return parts


def write_weights(conversion: Conversion, part: str, source: Source, folder: Path) -> Generator[int, None, None]:
    """Write the weights of one part under the names that its published folders have; yield bytes."""
    config = source.config(part)
    dtype = word_for(conversion.change.dtype) if conversion.change.dtype else None
    tensors: dict[str, Any] = {name: weight for name, weight in source.tensors(part).items() if name != TWICE}
    if conversion.change.use_ema and part in ("unet", "transformer"):
        tensors = averaged(conversion, part)
    published = {published_name(part, name, config): name for name in tensors}
    planned = {name: planned_as(tensors[module], dtype) for name, module in published.items()}
    names = ordered(planned)
    numbers = ((name, in_format(plain(tensors[published[name]]), planned[name].dtype)) for name in names)
    file = folder / (TRANSFORMERS if part.startswith("text") else DIFFUSERS)
    yield from write_safetensors(file, planned, numbers, {"format": "pt"})


def averaged(conversion: Conversion, part: str) -> dict[str, Tensor]:
    """Return the running average of the denoiser by the module's names."""
    stock = conversion.stocks[0]
    averages, places = averages_of(stock), contents_of(stock.where).parts[part].places
    read = stock.read(list(averages.values()))
    return {
        module: piece
        for name, average in averages.items()
        for module, piece in taken_apart(places[name], read[average])
    }


def published_name(part: str, module: str, config: Mapping[str, Any]) -> str:
    """Return what published folders call a module's tensor: every CLIP's tower has its wrapper's name before it."""
    bare = part.startswith("text") and not projects(config) and module.startswith(tuple(TOWER))
    return f"text_model.{module}" if bare and class_of(dict(config)) == "CLIPTextModel" else module


def planned_as(weight: Any, dtype: str | None) -> Planned:
    """Return how a weight is kept: as it is or as wished; what is in few bits, as no folder can have it, in float16."""
    shape = tuple(weight.shape)
    return Planned(format_for(word_of(weight) if isinstance(weight, Tensor) else "F16", shape, dtype), shape)


def full_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part's config as diffusers or transformers would save it."""
    return config_of(class_of(dict(config)), config)


def copy_rest(source: Path, folder: Path, parts: Mapping[str, Source]) -> None:
    """Copy a diffusers folder without the weights of these parts."""
    for file in sorted(source.rglob("*")):
        below = file.relative_to(source)
        if file.is_file() and not (below.parts[0] in parts and file.name.endswith(WEIGHTS)):
            (folder / below).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / below)


def finish(conversion: Conversion, parts: Mapping[str, Source], folder: Path) -> None:
    """Write what stands beside the parts: scheduler, words, the model's own habits, and at the end the index."""
    identity, source = conversion.identity, conversion.stocks[0].source
    scheduler = scheduler_of(identity, source.schedule)
    write_json(folder / "scheduler" / "scheduler_config.json", scheduler)
    classes = {part: class_of(dict(from_.config(part))) for part, from_ in parts.items()}
    for part in classes:
        if part.startswith("text"):
            pads_with_end = source.config(part).get("hidden_act") == "quick_gelu"
            write_words(folder / tokenizer_name(part), pads_with_end=pads_with_end)
    if habits := source.habits[1]:
        write_json(folder / "easel.json", dict(habits))
    write_json(folder / "model_index.json", index_of(identity, classes, scheduler["_class_name"]))
