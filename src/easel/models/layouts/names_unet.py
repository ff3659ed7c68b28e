"""The names of the U-Nets of Stable Diffusion 1.x, 2.x and XL: latent-diffusion's beside diffusers'.

What repeats (levels, layers) is written out from the config.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from easel.models.layouts.naming import Names, inside, table

RESNET = table(
    {
        "in_layers.0.": "norm1.",
        "in_layers.2.": "conv1.",
        "emb_layers.1.": "time_emb_proj.",
        "out_layers.0.": "norm2.",
        "out_layers.3.": "conv2.",
        "skip_connection.": "conv_shortcut.",
    }
)
ENDS = table(
    {
        "time_embed.0.": "time_embedding.linear_1.",
        "time_embed.2.": "time_embedding.linear_2.",
        "input_blocks.0.0.": "conv_in.",
        "out.0.": "conv_norm_out.",
        "out.2.": "conv_out.",
    }
)
ADDED = table({"label_emb.0.0.": "add_embedding.linear_1.", "label_emb.0.2.": "add_embedding.linear_2."})
WHOLE = table({"": ""})  # what is alike on both sides: attention
DIFFUSERS = ("conv_in.", "conv_out.", "conv_norm_out.", "time_embedding.", "add_embedding.")
DIFFUSERS += ("down_blocks.", "mid_block.", "up_blocks.")


def ldm_unet_names(config: Mapping[str, Any]) -> Names:
    """Return the U-Net's names. config: diffusers'."""
    layers, levels = config["layers_per_block"], len(config["block_out_channels"])
    attends = [kind.startswith("CrossAttn") for kind in config["down_block_types"]]
    names = ENDS | (ADDED if config.get("addition_embed_type") else {})
    for level in range(levels):
        down, first = f"down_blocks.{level}.", 1 + level * (layers + 1)
        for layer in range(layers):
            old = f"input_blocks.{first + layer}."
            names |= inside(f"{old}0.", f"{down}resnets.{layer}.", RESNET)
            if attends[level]:
                names |= inside(f"{old}1.", f"{down}attentions.{layer}.", WHOLE)
        if level < levels - 1:
            names |= inside(f"input_blocks.{first + layers}.0.op.", f"{down}downsamplers.0.conv.", WHOLE)
        up, first, attending = f"up_blocks.{level}.", level * (layers + 1), attends[levels - 1 - level]
        for layer in range(layers + 1):
            old = f"output_blocks.{first + layer}."
            names |= inside(f"{old}0.", f"{up}resnets.{layer}.", RESNET)
            if attending:
                names |= inside(f"{old}1.", f"{up}attentions.{layer}.", WHOLE)
        if level < levels - 1:
            names |= inside(f"output_blocks.{first + layers}.{1 + attending}.conv.", f"{up}upsamplers.0.conv.", WHOLE)
    names |= inside("middle_block.0.", "mid_block.resnets.0.", RESNET)
    names |= inside("middle_block.1.", "mid_block.attentions.0.", WHOLE)
    return names | inside("middle_block.2.", "mid_block.resnets.1.", RESNET)


def diffusers_unet_names(config: Mapping[str, Any]) -> Names:
    """Return the names of a U-Net that has diffusers' already."""
    return table({name: name for name in DIFFUSERS})
