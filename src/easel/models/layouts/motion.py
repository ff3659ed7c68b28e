"""What a motion module's file holds, by its names and shapes: AnimateDiff's own for Stable Diffusion 1, diffusers'.

Guo et al. 2024, arXiv:2307.04725. Sizes are read from the tensors, so that modules for U-Nets of other widths are read
too; the number of heads is in no shape, and is 8 as published where no config says otherwise. Reads no tensor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from easel.core.errors import Mismatch, Unrecognised
from easel.models.files.listing import Listing
from easel.models.layouts.shapes import Shapes

HEADS, GROUPS = 8, 32  # as published
SD1, SDXL = (320, 640, 1280, 1280), (320, 640, 1280)  # widths of their levels
BEFORE = "module."  # how names begin that a training of several cards left
MODULE = re.compile(
    r"(down_blocks|mid_block|up_blocks)\.(?:(\d+)\.)?motion_modules\.(\d+)\.(?:temporal_transformer\.)?(.+)"
)
BLOCKS, TABLE = "transformer_blocks.", ".pos_embed.pe"  # the table is of places in time, (1, frames, channels)
NORM = "norm.weight"
READ = "read are AnimateDiff's motion modules for Stable Diffusion 1 (v1, v2, v3)"

# What AnimateDiff calls the parts of a block, and diffusers.
PARTS = (
    ("attention_blocks.0.pos_encoder.", "pos_embed."),
    ("attention_blocks.0.", "attn1."),
    ("attention_blocks.1.", "attn2."),
    ("norms.0.", "norm1."),
    ("norms.1.", "norm2."),
    ("ff_norm.", "norm3."),
)
TWICE = ".attention_blocks.1.pos_encoder."  # the same table again, which diffusers has once

# What is not read, by how names in it begin, or what stands in them.
OTHERS = {"conv_in.": "PIA, which reads a picture besides", "img_encoder.": "AnimateLCM for pictures"}
HOTSHOT = ".temporal_attentions."


def module_name(name: str) -> str | None:
    """Return what diffusers' MotionAdapter calls a tensor of a file; None for one that it has no place for."""
    told = MODULE.fullmatch(name.removeprefix(BEFORE))
    if told is None or TWICE in name:
        return None
    block, number, layer, rest = told.groups()
    for old, new in PARTS:
        rest = re.sub(rf"^(transformer_blocks\.\d+\.){re.escape(old)}", rf"\g<1>{new}", rest)
    place = block if number is None else f"{block}.{number}"
    return f"{place}.motion_modules.{layer}.{rest}"


def shapes_of(listing: Listing) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a file's tensors by the names of diffusers' MotionAdapter."""
    named = ((module_name(name), one.shape) for name, one in listing.tensors.items())
    return {name: shape for name, shape in named if name is not None}


def widths_of(shapes: Shapes) -> tuple[int, ...]:
    """Return the channels of each level on the way down; () where names or shapes are not those of a module."""
    found: list[int] = []
    while (norm := shapes.get(f"down_blocks.{len(found)}.motion_modules.0.{NORM}")) is not None and len(norm) == 1:
        found.append(norm[0])
    return tuple(found)


def motion_for(listing: Listing) -> tuple[str, str]:
    """Return the family and variant for which a motion module was made, "" where nothing tells."""
    return {SD1: ("sd", "1.x"), SDXL: ("sdxl", "base")}.get(widths_of(shapes_of(listing)), ("", ""))


def motion_config(listing: Listing, said: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the config of diffusers' MotionAdapter for a file. Raises Unrecognised or Mismatch naming it.

    said: what its folder's config says, of which the heads and the groups of its norms are taken.
    """
    check_read(listing)
    shapes = shapes_of(listing)
    widths, config = widths_of(shapes), dict(said or {})
    table = next((shape for name, shape in shapes.items() if name.endswith(TABLE) and len(shape) == 3), None)
    if table is None:
        raise Unrecognised(f"{listing.path}: has no table of frames' places, as AnimateLCM has none; {READ}.")
    levels = [f"down_blocks.{level}.motion_modules." for level in range(len(widths))]
    heads = config.get("motion_num_attention_heads", HEADS)
    if not isinstance(heads, int) or heads < 1 or any(width % heads for width in widths):
        raise Mismatch(f"{listing.path}: {heads} heads do not part {', '.join(map(str, widths))} channels.")
    return {
        "block_out_channels": widths,
        "motion_layers_per_block": tuple(count(shapes, level) for level in levels),
        "motion_transformer_layers_per_block": tuple(count(shapes, f"{level}0.{BLOCKS}") for level in levels),
        "motion_transformer_layers_per_mid_block": count(shapes, f"mid_block.motion_modules.0.{BLOCKS}"),
        "motion_num_attention_heads": heads,
        "motion_norm_num_groups": config.get("motion_norm_num_groups", GROUPS),
        "motion_max_seq_length": table[1],
        "use_motion_mid_block": any(name.startswith("mid_block.") for name in shapes),
    }


def check_read(listing: Listing) -> None:
    """Raise Unrecognised for a file that is no motion module that is read, naming what it is where that can be told."""
    names = [name.removeprefix(BEFORE) for name in listing.tensors]
    widths = widths_of(shapes_of(listing))
    found = next((words for start, words in OTHERS.items() if any(name.startswith(start) for name in names)), "")
    if any(HOTSHOT in name for name in names):
        found = "HotShot-XL, for SDXL"
    elif widths == SDXL:
        found = "AnimateDiff's beta for SDXL"
    if found:
        raise Unrecognised(f"{listing.path}: this is {found}, which is not read; {READ}.")
    if not widths:
        raise Unrecognised(f"{listing.path}: no motion module that is known; {READ}.")


def count(shapes: Shapes, stem: str) -> int:
    """Return how many numbered parts stand under a name."""
    return len({name[len(stem) :].split(".", 1)[0] for name in shapes if name.startswith(stem)})
