"""The names that files may have for the modules of a model: one table for each part, made from its module tree.

A name of a published checkpoint stands for one of our modules, or for several whose rows the file has as one weight.
Knows module names and the tables of models/; knows no networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from easel.adapters.networks.change import Spans
from easel.adapters.networks.layers import has_weight, weight_shape
from easel.adapters.networks.names import flat
from easel.models.layouts.names_flux import flux_names
from easel.models.layouts.names_sd3 import sd3_names
from easel.models.layouts.names_text import open_clip_names
from easel.models.layouts.names_unet import ldm_unet_names
from easel.models.layouts.naming import Names, published
from easel.models.layouts.naming import Place as Stand

KNOWN = ("whole", "rows", "swapped")  # ways in which a file keeps a weight that a change of it can follow
WEIGHT = ".weight"


@dataclass(frozen=True, slots=True)
class Place:
    """A module by name, and the rows of the file's weight that are its own; None for all of them."""

    name: str
    spans: Spans | None = None


Rows = Mapping[str, int]  # a part's layers by name, and how many rows the weight of each has
Places = tuple[Place, ...]


def places_in(part: nn.Module) -> dict[str, Places]:
    """Return the places of each name that a file may have for a layer of `part`, with "_" for "."."""
    rows = {name: weight_shape(layer)[0] for name, layer in part.named_modules() if has_weight(layer)}
    makers = (*MAKERS.get(type(part).__name__, ()), older_names)
    table: dict[str, Places] = {}
    for maker in makers:
        table |= {flat(alias): places for alias, places in maker(part, rows)}
    return table | {flat(name): (Place(name),) for name in rows}


def older_names(part: nn.Module, rows: Rows) -> Iterator[tuple[str, Places]]:
    """Yield what diffusers called attention's layers before peft, text encoders' too."""
    for name in rows:
        for new, old in OLDER.items():
            if name.endswith(new):
                yield name.removesuffix(new) + old, (Place(name),)


OLDER = {".to_out.0": ".to_out", ".self_attn.out_proj": ".self_attn.to_out"}
OLDER |= {f".self_attn.{letter}_proj": f".self_attn.to_{letter}" for letter in "qkv"}


def by_table(names: Callable[[Mapping[str, Any]], Names]) -> Callable[[Any, Rows], Iterator[tuple[str, Places]]]:
    """Return what yields the published names of a part's layers by a table of models/, made from its config."""

    def aliases(part: Any, rows: Rows) -> Iterator[tuple[str, Places]]:
        config: dict[str, Any] = dict(part.config) if isinstance(part.config, Mapping) else part.config.to_dict()
        config["architectures"] = [type(part).__name__]
        for alias, stand in published(names(config), [name + WEIGHT for name in rows]).items():
            places = places_of(stand, rows)
            if places and alias.endswith(WEIGHT):
                yield alias.removesuffix(WEIGHT), places

    return aliases


def places_of(stand: Stand, rows: Rows) -> Places:
    """Return where the rows of a file's weight go, none where a layer is missing or the weight is kept otherwise."""
    names = [name.removesuffix(WEIGHT) for name in stand.names]
    if stand.how not in KNOWN or any(name not in rows for name in names):
        return ()
    if stand.how == "whole":
        return (Place(names[0]),)
    if stand.how == "swapped":
        half, all_of_it = rows[names[0]] // 2, rows[names[0]]
        return (Place(names[0], ((half, all_of_it), (0, half))),)
    places: list[Place] = []
    first = 0
    for name in names:
        places.append(Place(name, ((first, first + rows[name]),)))
        first += rows[name]
    return tuple(places)


def clip_names(part: nn.Module, rows: Rows) -> Iterator[tuple[str, Places]]:
    """Yield CLIP's names, older ones too, with its wrapper's name and without."""
    for alias, places in (*older_names(part, rows), *((name, (Place(name),)) for name in rows)):
        bare = alias.removeprefix("text_model.")
        yield bare, places
        yield f"text_model.{bare}", places


CLIP = (by_table(open_clip_names), clip_names)
MAKERS: Mapping[str, tuple[Callable[[Any, Rows], Iterator[tuple[str, Places]]], ...]] = {
    "UNet2DConditionModel": (by_table(ldm_unet_names),),
    "FluxTransformer2DModel": (by_table(flux_names),),
    "SD3Transformer2DModel": (by_table(sd3_names),),
    "CLIPTextModel": CLIP,
    "CLIPTextModelWithProjection": CLIP,
}
