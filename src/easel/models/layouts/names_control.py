"""The names of control models: latent-diffusion's, XLabs' and the makers' of T2I-Adapters beside diffusers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from easel.models.layouts.names_flux import flux_names
from easel.models.layouts.names_unet import ldm_unet_names
from easel.models.layouts.naming import Names, table


def as_they_are(config: Mapping[str, Any]) -> Names:
    """Return the names of a control model that has diffusers' already."""
    return table({"": ""})


def hint_names(new: str) -> dict[str, str]:
    """Return the names of what reads the hint: eight convolutions, between which nothing is learned."""
    inner = {f"input_hint_block.{2 * place}.": f"{new}blocks.{place - 1}." for place in range(1, 7)}
    return {"input_hint_block.0.": f"{new}conv_in.", **inner, "input_hint_block.14.": f"{new}conv_out."}


def ldm_names(config: Mapping[str, Any]) -> Names:
    """Return the names of a ControlNet's way down, its hint and what it gives. config: diffusers'."""
    layers, levels = config["layers_per_block"], len(config["block_out_channels"])
    given = {f"zero_convs.{place}.0.": f"controlnet_down_blocks.{place}." for place in range(levels * (layers + 1))}
    own = {**hint_names("controlnet_cond_embedding."), **given, "middle_block_out.0.": "controlnet_mid_block."}
    return ldm_unet_names(config) | table(own)


def xlabs_names(config: Mapping[str, Any]) -> Names:
    """Return the names of XLabs' ControlNets of Flux. config: diffusers'."""
    own = {"pos_embed_input.": "controlnet_x_embedder.", "controlnet_blocks.": "controlnet_blocks."}
    return flux_names(config) | table({**hint_names("input_hint_block."), **own})


def plain_adapter_names(config: Mapping[str, Any]) -> Names:
    """Return the names of a T2I-Adapter as its makers have them. config: diffusers'."""
    each, names = config["num_res_blocks"], {"conv_in.": "adapter.conv_in."}
    if config["adapter_type"] == "light_adapter":
        for level in range(len(config["channels"]) + 1):
            stem, new = f"body.{level}.", f"adapter.body.{level}."
            names |= {f"{stem}{end}.": f"{new}{end}." for end in ("in_conv", "out_conv")}
            names |= {f"{stem}body.{place}.": f"{new}resnets.{place}." for place in range(each)}
        return table(names)
    for level in range(len(config["channels"])):
        new = f"adapter.body.{level}."
        names[f"body.{level * each}.in_conv."] = f"{new}in_conv."
        for place in range(each):
            for part in ("block1", "block2"):
                names[f"body.{level * each + place}.{part}."] = f"{new}resnets.{place}.{part}."
    return table(names)
