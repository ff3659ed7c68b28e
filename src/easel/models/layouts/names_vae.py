"""The names of autoencoders: latent-diffusion's, diffusers' own and those of the tiny ones, TAESD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from easel.models.layouts.naming import Names, Place, inside, table

RESNET = table({name: name for name in ("norm1.", "conv1.", "norm2.", "conv2.")} | {"nin_shortcut.": "conv_shortcut."})
ENDS = table({"conv_in.": "conv_in.", "norm_out.": "conv_norm_out.", "conv_out.": "conv_out."})
QUANT = table({"quant_conv.": "quant_conv.", "post_quant_conv.": "post_quant_conv."})
ATTENTION = table({"norm.": "group_norm."})
ATTENTION |= {
    old: Place((new,), "flat")
    for old, new in {"q.": "to_q.", "k.": "to_k.", "v.": "to_v.", "proj_out.": "to_out.0."}.items()
}
# Autoencoders in diffusers' layout were published with the second names; diffusers now has the first.
PRESENT_ATTENTION = table({name: name for name in ("to_q.", "to_k.", "to_v.", "to_out.0.")})
FORMER_ATTENTION = {
    old: Place((new,), "flat")
    for old, new in zip(("query.", "key.", "value.", "proj_attn."), PRESENT_ATTENTION, strict=True)
}
MIDDLE = "mid_block.attentions.0."


def ldm_vae_names(config: Mapping[str, Any]) -> Names:
    """Return the autoencoder's names; its levels are counted from below in the file's decoder. config: diffusers'."""
    layers, levels = config["layers_per_block"], len(config["block_out_channels"])
    names = dict(QUANT)
    for side, way, more in (("encoder.", "down", 0), ("decoder.", "up", 1)):
        names |= inside(side, side, ENDS)
        names |= inside(f"{side}mid.attn_1.", f"{side}{MIDDLE}", ATTENTION)
        for number in (0, 1):
            names |= inside(f"{side}mid.block_{number + 1}.", f"{side}mid_block.resnets.{number}.", RESNET)
        for level in range(levels):
            old = f"{side}{way}.{levels - 1 - level if way == 'up' else level}."
            new = f"{side}{way}_blocks.{level}."
            for layer in range(layers + more):
                names |= inside(f"{old}block.{layer}.", f"{new}resnets.{layer}.", RESNET)
            if level < levels - 1:
                names |= table({f"{old}{way}sample.conv.": f"{new}{way}samplers.0.conv."})
    return names


def diffusers_vae_names(config: Mapping[str, Any]) -> Names:
    """Return the names of an autoencoder that has diffusers' already, of now or of before."""
    names = QUANT | table({"encoder.": "encoder.", "decoder.": "decoder."})
    for side in ("encoder.", "decoder."):
        names |= inside(side + MIDDLE, side + MIDDLE, PRESENT_ATTENTION | FORMER_ATTENTION)
    return names


def tiny_names(config: Mapping[str, Any]) -> Names:
    """Return the names of a TAESD that has diffusers' already."""
    return table({"encoder.layers.": "encoder.layers.", "decoder.layers.": "decoder.layers."})


def taesd_names(config: Mapping[str, Any]) -> Names:
    """Return the names of TAESD's two sides as they are published: numbers in a row, with `taesd_decoder.` before them.

    The file's decoder counts one more: its first layer, which bounds the latent, has no weights and no place in
    diffusers'.
    """
    names = {f"taesd_encoder.{at}.": Place((f"encoder.layers.{at}.",)) for at in range(layers_of(config, "encoder"))}
    decoder = range(layers_of(config, "decoder"))
    return names | {f"taesd_decoder.{at + 1}.": Place((f"decoder.layers.{at}.",)) for at in decoder}


def taesd_decoder_names(config: Mapping[str, Any]) -> Names:
    """Return the names of a TAESD decoder alone."""
    return dict(alone(taesd_names(config), "taesd_decoder."))


def taesd_encoder_names(config: Mapping[str, Any]) -> Names:
    """Return the names of a TAESD encoder alone."""
    return dict(alone(taesd_names(config), "taesd_encoder."))


def alone(names: Names, prefix: str) -> Iterator[tuple[str, Place]]:
    """Yield what a table has under a prefix, without it."""
    return ((key.removeprefix(prefix), place) for key, place in names.items() if key.startswith(prefix))


def layers_of(config: Mapping[str, Any], side: str) -> int:
    """Return how many layers, with or without weights, a side of a TAESD has: blocks, ends, what lies between."""
    blocks = config[f"num_{side}_blocks"]
    return sum(blocks) + len(blocks) + 1 if side == "encoder" else sum(blocks) + 2 * len(blocks) + 1
