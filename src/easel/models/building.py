"""From a part of a source to a network; and what every family asks of its files: its habits, and that parts are there.

Knows sources and weights, and the table of what families are made of; knows no networks.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import torch
from torch import nn

from easel.core.errors import Incomplete, Mismatch
from easel.models.accelerate import Machine
from easel.models.family import Defaults
from easel.models.files.keeping import Keep
from easel.models.files.weights import build
from easel.models.layouts.makeup import roles_of
from easel.models.layouts.sources import Source

# How what is missing is given from a file of its own, by what fills the part.
GIVEN = {
    "unet": "--denoiser FILE",
    "transformer": "--denoiser FILE",
    "vae": "--vae FILE",
    "clip_l": "--text-encoder clip_l.safetensors",
    "clip_g": "--text-encoder clip_g.safetensors",
    "t5": "--text-encoder t5xxl_fp16.safetensors",
}


def network(
    source: Source,
    part: str,
    kind: Any,
    machine: Machine,
    dtype: torch.dtype | None = None,
    keep: Keep | None = None,
) -> nn.Module:
    """Return a part of a source as diffusers' class `kind` builds it from its config. Raises ModelError.

    dtype: the numbers of its forwards; keep: how its weights are kept; the machine's own for denoisers without.
    Convolutions keep their channels together in memory, as processors and devices multiply them fastest.
    """
    config = source.config(part)
    return build(
        lambda: kind.from_config(config),
        source.tensors(part),
        source.where(part),
        dtype=dtype or machine.dtype,
        device=machine.home,
        names=source.names(part),
        keep=keep or machine.weights,
        layout=torch.channels_last,
    )


def check_parts(source: Source) -> None:
    """Raise Incomplete where a source goes without parts that its family needs, and say how to give them."""
    roles = roles_of(source.family, source.variant)
    missing = [role for part, role in roles.items() if role.needed and not source.has(part)]
    if missing:
        lacks = ", ".join(f"no {role.spoken}" for role in missing)
        options = " ".join(GIVEN[role.of[0]] for role in missing)
        there = next((source.where(part) for part in roles if source.has(part)), source.habits[0].parent)
        raise Incomplete(f"{there}: has {lacks}; give {'it' if len(missing) == 1 else 'them'} by {options}.")


def habits(source: Source, usual: Defaults) -> Defaults:
    """Return a model's own defaults: the family's, and what its file of habits says otherwise.

    Raises Mismatch when that file says something else.
    """
    file, said = source.habits
    try:
        return Defaults(**{**asdict(usual), **said})
    except TypeError:
        known = ", ".join(field.name for field in fields(Defaults))
        raise Mismatch(f"{file}: says {', '.join(said)}; allowed are {known}.") from None
