"""From the shapes of a U-Net's tensors to diffusers' config, in latent-diffusion's names or diffusers' own.

What shapes do not tell is Stable Diffusion's: 8 heads in 1.x and heads of 64 numbers since, 256 numbers for each size
that XL is told of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from easel.core.errors import Mismatch
from easel.models.layouts.shapes import Shapes, count, shape

SIZES = 256  # numbers that XL makes of each size it is told


@dataclass(frozen=True, slots=True)
class Stems:
    """What a layout calls the parts that are asked for. resnets, attentions: the first of each level."""

    enters: str
    leaves: str
    added: str
    middle: str
    out: str
    resnets: tuple[str, ...]
    attentions: tuple[str, ...]
    layers: int


def levels_of(shapes: Shapes) -> list[list[int]]:
    """Return the input blocks of a U-Net that hold its layers, one list a level; a downsampler ends a level."""
    levels: list[list[int]] = [[]]
    for block in range(1, count(shapes, "input_blocks.")):
        if f"input_blocks.{block}.0.op.weight" in shapes:
            levels.append([])
        else:
            levels[-1].append(block)
    if len({len(level) for level in levels}) != 1 or not levels[0]:
        raise Mismatch(f"its U-Net has {', '.join(str(len(level)) for level in levels)} layers a level, not the same")
    return levels


def ldm_stems(shapes: Shapes) -> Stems:
    """Return latent-diffusion's names."""
    levels = levels_of(shapes)
    return Stems(
        enters="input_blocks.0.0.weight",
        leaves="out.2.weight",
        added="label_emb.0.0.weight",
        middle="middle_block.1.",
        out="out_layers.3.weight",
        resnets=tuple(f"input_blocks.{level[0]}.0." for level in levels),
        attentions=tuple(f"input_blocks.{level[0]}.1." for level in levels),
        layers=len(levels[0]),
    )


def diffusers_stems(shapes: Shapes) -> Stems:
    """Return diffusers' names."""
    levels = range(count(shapes, "down_blocks."))
    return Stems(
        enters="conv_in.weight",
        leaves="conv_out.weight",
        added="add_embedding.linear_1.weight",
        middle="mid_block.attentions.0.",
        out="conv2.weight",
        resnets=tuple(f"down_blocks.{level}.resnets.0." for level in levels),
        attentions=tuple(f"down_blocks.{level}.attentions.0." for level in levels),
        layers=count(shapes, "down_blocks.0.resnets."),
    )


def ldm_unet_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of a U-Net in latent-diffusion's names. Raises Incomplete, Mismatch."""
    return unet_config(shapes, ldm_stems(shapes))


def diffusers_unet_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of a U-Net in diffusers' names. Raises Incomplete, Mismatch."""
    return unet_config(shapes, diffusers_stems(shapes))


def unet_config(shapes: Shapes, stems: Stems) -> dict[str, Any]:
    """Return diffusers' config of a U-Net but for the side of its latents. Raises Incomplete, Mismatch."""
    widths = [shape(shapes, stem + stems.out, 4)[0] for stem in stems.resnets]
    attends = [f"{stem}norm.weight" in shapes for stem in stems.attentions]
    linear = len(shapes.get(f"{stems.middle}proj_in.weight", ())) == 2
    depths = depths_of(shapes, stems, attends)
    config = {
        "in_channels": shape(shapes, stems.enters, 4)[1],
        "out_channels": shape(shapes, stems.leaves, 4)[0],
        "block_out_channels": widths,
        "down_block_types": ["CrossAttnDownBlock2D" if attend else "DownBlock2D" for attend in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(attends)],
        "layers_per_block": stems.layers,
        "cross_attention_dim": shape(shapes, f"{stems.middle}transformer_blocks.0.attn2.to_k.weight", 2)[1],
        "attention_head_dim": [max(width // 64, 1) for width in widths] if linear else 8,  # the number of heads
        "use_linear_projection": linear,
        "transformer_layers_per_block": depths[0] if len(set(depths)) == 1 else depths,
    }
    if stems.added in shapes:
        config["addition_embed_type"] = "text_time"
        config["addition_time_embed_dim"] = SIZES
        config["projection_class_embeddings_input_dim"] = shape(shapes, stems.added, 2)[1]
    if "time_embedding.cond_proj.weight" in shapes:  # a U-Net that was distilled to few steps reads its guidance
        config["time_cond_proj_dim"] = shape(shapes, "time_embedding.cond_proj.weight", 2)[1]
    return config


def depths_of(shapes: Shapes, stems: Stems, attends: list[bool]) -> list[int]:
    """Return how many transformer blocks each level's attention has; the last level's are the middle's too.

    A level without attention has as many as the middle where all that attend have, else 1, as diffusers writes it.
    """
    middle = count(shapes, f"{stems.middle}transformer_blocks.")
    depths = [
        count(shapes, f"{stem}transformer_blocks.") if attend else 0
        for stem, attend in zip(stems.attentions, attends, strict=True)
    ]
    if attends[-1] and depths[-1] != middle:
        raise Mismatch(f"its U-Net has {depths[-1]} transformer blocks in the last level and {middle} in the middle")
    alike = set(depths) <= {0, middle}
    filled = [depth or (middle if alike else 1) for depth in depths]
    return [*filled[:-1], middle]
