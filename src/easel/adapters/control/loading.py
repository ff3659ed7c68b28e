"""From a file or a folder to a control model that can be asked; its weights read once.

A folder says in its config what it is, a file by its tensors' names. Pickles are read without being run.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from easel.adapters.control import borrowed, features, flux, lite, sd3, unets
from easel.adapters.control.prepared import Hint, Prepared
from easel.core.errors import Incomplete, Mismatch, ModelError, Unrecognised
from easel.core.work import RowAdapter, Work
from easel.models.accelerate import Machine
from easel.models.files.jsonfiles import read_json
from easel.models.files.opening import listing_of
from easel.models.files.weights import build, read_tensors
from easel.models.layouts.controls import BUILDS, READ, ControlLayout, layout_of, shapes_behind
from easel.models.layouts.folders import STEMS, class_of, files_of
from easel.models.layouts.naming import placed
from easel.models.layouts.sources import pieces_of


class Control(RowAdapter, Protocol):
    """What leads rows by hints, fitted to a model. union: whether it is told for what it takes a hint."""

    @property
    def union(self) -> bool: ...

    def prepare(self, model: Any, hint: Hint) -> Generator[Work, Any, Prepared]:
        """Ask for what a hint needs once. Raises BadValue, Unsupported."""
        ...


class LoadedControl(Protocol):
    """A control model's file, read. hash: of it, eight hex digits, as A1111's ControlNet tells it."""

    @property
    def name(self) -> str: ...
    @property
    def hash(self) -> str: ...

    def fitted(self, model: Any) -> Control:
        """Return what leads rows of a model. Raises Mismatch where this is for another."""
        ...


def load_control(path: Path, machine: Machine, name: str = "") -> LoadedControl:
    """Return the control model of a file, or of a folder with its config. Raises ModelError naming the file."""
    name = name or path.stem
    folder = folder_of(path)
    if folder is not None:
        config, files = read_json(folder / "config.json"), files_of(folder)
        kind = class_of(config)
        if kind not in BUILDS:
            raise Unrecognised(f"{folder}: a {kind or 'config'} is no control model that is read; {READ}.")
        tensors = read_tensors(files)
        return made(name, short_hash(files[0]), machine, kind, config, tensors, folder)
    layout = layout_of(listing_of(path))
    if layout.build == "lite":
        return lite.read_lite(name, short_hash(path), machine, path)
    if layout.borrows:
        return borrowed.read(name, short_hash(path), machine, path, layout)
    config, tensors = single(path, layout)
    return made(name, short_hash(path), machine, layout.kind, config, tensors, path)


def folder_of(path: Path) -> Path | None:
    """Return the diffusers folder that a path is, or of whose weights it is a file; None where it is a file alone."""
    if path.is_dir():
        return path
    return path.parent if path.stem in STEMS and (path.parent / "config.json").is_file() else None


def single(path: Path, layout: ControlLayout) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the config and the tensors by the module's names of a single file. Raises ModelError naming it."""
    shapes = shapes_behind(listing_of(path), layout.prefix)
    try:
        config = layout.config(shapes)
    except ModelError as error:
        wrong = Incomplete if isinstance(error, Incomplete) else Mismatch
        raise wrong(f"{path}: {error}.") from None
    names = layout.names(config)
    wanted = [layout.prefix + key for key in shapes]
    tensors: dict[str, Any] = {}
    for key, tensor in read_tensors((path,), wanted).items():
        place = placed(key[len(layout.prefix) :], names)
        if place is None:
            raise Mismatch(f"{path}: {key!r} has no place in a control model.")
        tensors |= dict(pieces_of(path, key, place, tensor))
    if layout.kind == "ControlNetModel" and "shuffle" in path.stem:
        config["global_pool_conditions"] = True  # as the published one of this name has it, and cannot say itself
    return config, tensors


def made(
    name: str,
    digits: str,
    machine: Machine,
    kind: str,
    config: Mapping[str, Any],
    tensors: Mapping[str, Any],
    where: Path,
) -> LoadedControl:
    """Return the control model of a config and its tensors. Raises ModelError naming the file."""
    import diffusers

    built: Callable[..., Any] = getattr(diffusers, kind)
    net = built_of(built, config, tensors, machine, where)
    match BUILDS[kind]:
        case "controlnet" | "union":
            return unets.made(name, digits, machine, net, union=kind == "ControlNetUnionModel")
        case "sd3":
            return sd3.made(name, digits, machine, net)
        case "flux":
            return flux.made(name, digits, machine, net)
        case _:
            return features.FeatureControl(name, digits, machine, net)


def built_of(kind: Any, config: Mapping[str, Any], tensors: Mapping[str, Any], machine: Machine, where: Path) -> Any:
    """Return diffusers' module of a config with its tensors, its weights kept as the machine keeps them."""

    def make() -> nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of diffusers about its own
            return kind.from_config(dict(config))

    return build(
        make,
        tensors,
        where,
        dtype=machine.dtype,
        device=machine.home,
        keep=machine.weights,
        layout=torch.channels_last,
    )


def short_hash(file: Path) -> str:
    """Return the eight digits by which A1111's ControlNet tells files apart: a SHA-256 of 64 KiB at one MiB."""
    with file.open("rb") as opened:
        opened.seek(0x100000)
        return hashlib.sha256(opened.read(0x10000)).hexdigest()[:8]
