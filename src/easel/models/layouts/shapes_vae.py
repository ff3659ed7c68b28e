"""From the shapes of an autoencoder's tensors to diffusers' config: the published ones and the tiny ones (TAESD).

How latents are scaled is the family's; see makeup.py.
"""

from __future__ import annotations

from typing import Any

from easel.core.errors import Incomplete
from easel.models.layouts.shapes import Shapes, count, shape

TINY = {"encoder": (1, 3, 3, 3), "decoder": (3, 3, 3, 1)}  # blocks of a TAESD's levels, where a side is not there


def ldm_vae_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of an autoencoder in latent-diffusion's names. Raises Incomplete, Mismatch."""
    levels = count(shapes, "encoder.down.")
    if not levels:
        raise Incomplete("'encoder.down.0.block.0.conv1.weight' is missing")
    widths = [shape(shapes, f"encoder.down.{level}.block.0.conv1.weight", 4)[0] for level in range(levels)]
    return vae_config(shapes, widths, count(shapes, "encoder.down.0.block."))


def diffusers_vae_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of an autoencoder in diffusers' names. Raises Incomplete, Mismatch."""
    levels = count(shapes, "encoder.down_blocks.")
    if not levels:
        raise Incomplete("'encoder.down_blocks.0.resnets.0.conv1.weight' is missing")
    widths = [shape(shapes, f"encoder.down_blocks.{level}.resnets.0.conv1.weight", 4)[0] for level in range(levels)]
    return vae_config(shapes, widths, count(shapes, "encoder.down_blocks.0.resnets."))


def vae_config(shapes: Shapes, widths: list[int], layers: int) -> dict[str, Any]:
    """Return diffusers' config of an autoencoder. widths: channels of each level."""
    return {
        "block_out_channels": widths,
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "layers_per_block": layers,
        "latent_channels": shape(shapes, "decoder.conv_in.weight", 4)[1],
        "use_quant_conv": "quant_conv.weight" in shapes,
        "use_post_quant_conv": "post_quant_conv.weight" in shapes,
    }


def tiny_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of a TAESD in diffusers' names."""
    return sides_config({"encoder": under(shapes, "encoder.layers."), "decoder": under(shapes, "decoder.layers.")})


def taesd_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of a TAESD's two sides as they are published, in one file."""
    return sides_config({"encoder": under(shapes, "taesd_encoder."), "decoder": under(shapes, "taesd_decoder.")})


def taesd_decoder_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of a TAESD whose decoder alone is there."""
    return sides_config({"encoder": {}, "decoder": shapes})


def taesd_encoder_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of a TAESD whose encoder alone is there."""
    return sides_config({"encoder": shapes, "decoder": {}})


def sides_config(sides: dict[str, Shapes]) -> dict[str, Any]:
    """Return diffusers' config of a TAESD from each side's shapes by number. Raises Incomplete, Mismatch."""
    config: dict[str, Any] = {"_class_name": "AutoencoderTiny"}
    for side, shapes in sides.items():
        blocks = blocks_of(shapes) if shapes else TINY[side]
        config[f"num_{side}_blocks"] = list(blocks)
        if shapes:
            width = shape(shapes, f"{first_block(shapes)}.conv.0.weight", 4)[0]
            ends = shape(shapes, f"{(min if side == 'decoder' else max)(numbers(shapes))}.weight", 4)
            config["latent_channels"] = ends[1 if side == "decoder" else 0]
            config[f"{side}_block_out_channels"] = [width] * len(blocks)
    return config


def under(shapes: Shapes, prefix: str) -> Shapes:
    """Return what stands under a prefix, by the names behind it."""
    return {key[len(prefix) :]: found for key, found in shapes.items() if key.startswith(prefix)}


def numbers(shapes: Shapes) -> set[int]:
    """Return the numbers of layers that have weights."""
    return {int(first) for key in shapes if (first := key.partition(".")[0]).isdecimal()}


def first_block(shapes: Shapes) -> int:
    """Return the number of the first block. Raises Incomplete where there is none."""
    found = [number for number in sorted(numbers(shapes)) if f"{number}.conv.0.weight" in shapes]
    if not found:
        raise Incomplete("'3.conv.0.weight' is missing")
    return found[0]


def blocks_of(shapes: Shapes) -> list[int]:
    """Return how many blocks stand between the convolutions of a side, one number a level."""
    levels: list[int] = []
    for number in sorted(numbers(shapes)):
        if f"{number}.conv.0.weight" not in shapes:
            levels.append(0)
        elif levels:
            levels[-1] += 1
    return levels[:-1]  # after the last convolution there is nothing
