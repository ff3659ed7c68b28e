"""From the shapes of a control model's tensors to diffusers' config, in every layout in which they are published.

What shapes do not tell is as the published ones have it: 8 heads in the fusing of a union, heads of 64 numbers in
Stable Diffusion 3 and of 128 in Flux.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from easel.models.layouts.shapes import Shapes, count, shape
from easel.models.layouts.shapes_unet import diffusers_stems, ldm_stems, unet_config

NOT_THEIRS = ("out_channels", "up_block_types", "time_cond_proj_dim")  # of a U-Net's config
SD3_HEAD, FLUX_HEAD = 64, 128
UNSHUFFLED = {1: 8, 3: 8, 4: 16, 12: 16}  # pixels that a T2I-Adapter folds into one, by its channels over 64


def ldm_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of a ControlNet in latent-diffusion's names. Raises Incomplete, Mismatch."""
    stems = replace(ldm_stems(shapes), leaves="input_blocks.0.0.weight")
    return half_of(unet_config(shapes, stems)) | ldm_hint(shapes)


def ldm_hint(shapes: Shapes) -> dict[str, Any]:
    """Return the config of what reads the hint, in latent-diffusion's names: eight convolutions, three that halve."""
    convolutions = [shape(shapes, f"input_hint_block.{place}.weight", 4) for place in range(0, 15, 2)]
    return {
        "conditioning_channels": convolutions[0][1],
        "conditioning_embedding_out_channels": [convolutions[place][0] for place in (0, 2, 4, 6)],
    }


def diffusers_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of a ControlNet in diffusers' names. Raises Incomplete, Mismatch."""
    stems = replace(diffusers_stems(shapes), leaves="conv_in.weight")
    first = shape(shapes, "controlnet_cond_embedding.conv_in.weight", 4)
    halving = range(1, count(shapes, "controlnet_cond_embedding.blocks."), 2)
    widths = [shape(shapes, f"controlnet_cond_embedding.blocks.{place}.weight", 4)[0] for place in halving]
    told = {"conditioning_channels": first[1], "conditioning_embedding_out_channels": [first[0], *widths]}
    return half_of(unet_config(shapes, stems)) | told


def half_of(config: dict[str, Any]) -> dict[str, Any]:
    """Return what of a U-Net's config its way down has."""
    return {name: value for name, value in config.items() if name not in NOT_THEIRS}


def union_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of a union of ControlNets in diffusers' names. Raises Incomplete, Mismatch."""
    kinds, width = shape(shapes, "task_embedding", 2)
    sizes = shape(shapes, "control_add_embedding.linear_1.weight", 2)[1] // kinds
    return diffusers_config(shapes) | {
        "num_control_type": kinds,
        "num_trans_channel": width,
        "num_trans_layer": count(shapes, "transformer_layes."),  # so diffusers spells it
        "num_proj_channel": shape(shapes, "spatial_ch_projs.weight", 2)[0],
        "addition_time_embed_dim": sizes,
    }


def sd3_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of Stable Diffusion 3's in diffusers' names. Raises Incomplete, Mismatch."""
    inner, channels, patch, _ = shape(shapes, "pos_embed_input.proj.weight", 4)
    layers = count(shapes, "transformer_blocks.")
    reads = "context_embedder.weight" in shapes
    first = "transformer_blocks.0.attn.norm_q.weight"
    config: dict[str, Any] = {
        "patch_size": patch,
        "in_channels": 16,
        "extra_conditioning_channels": channels - 16,
        "num_layers": layers,
        "attention_head_dim": SD3_HEAD,
        "num_attention_heads": inner // SD3_HEAD,
        "joint_attention_dim": shape(shapes, "context_embedder.weight", 2)[1] if reads else None,
        "caption_projection_dim": inner,
        "pooled_projection_dim": shape(shapes, "time_text_embed.text_embedder.linear_1.weight", 2)[1],
        "dual_attention_layers": [i for i in range(layers) if f"transformer_blocks.{i}.attn2.to_q.weight" in shapes],
        "qk_norm": "rms_norm" if first in shapes else None,
        "use_pos_embed": "pos_embed.proj.weight" in shapes,
        "force_zeros_for_pooled_projection": reads,
    }
    if "pos_embed.pos_embed" in shapes:
        config["pos_embed_max_size"] = math.isqrt(shape(shapes, "pos_embed.pos_embed", 3)[1])
    return config


def flux_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of Flux's in diffusers' names. Raises Incomplete, Mismatch."""
    inner, channels = shape(shapes, "x_embedder.weight", 2)
    modes = shapes.get("controlnet_mode_embedder.weight", ())
    return {
        "patch_size": 1,
        "in_channels": channels,
        "num_layers": count(shapes, "transformer_blocks."),
        "num_single_layers": count(shapes, "single_transformer_blocks."),
        "attention_head_dim": FLUX_HEAD,
        "num_attention_heads": inner // FLUX_HEAD,
        "joint_attention_dim": shape(shapes, "context_embedder.weight", 2)[1],
        "pooled_projection_dim": shape(shapes, "time_text_embed.text_embedder.linear_1.weight", 2)[1],
        "guidance_embeds": "time_text_embed.guidance_embedder.linear_1.weight" in shapes,
        "num_mode": modes[0] if modes else None,
    }


def xlabs_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of XLabs' ControlNets of Flux, whose blocks have Black Forest Labs' names."""
    inner, channels = shape(shapes, "img_in.weight", 2)
    return {
        "patch_size": 2,
        "in_channels": channels,
        "num_layers": count(shapes, "double_blocks."),
        "num_single_layers": 0,
        "attention_head_dim": FLUX_HEAD,
        "num_attention_heads": inner // FLUX_HEAD,
        "joint_attention_dim": shape(shapes, "txt_in.weight", 2)[1],
        "pooled_projection_dim": shape(shapes, "vector_in.in_layer.weight", 2)[1],
        "guidance_embeds": "guidance_in.in_layer.weight" in shapes,
        "conditioning_embedding_channels": shape(shapes, "input_hint_block.14.weight", 4)[0],
    }


def adapter_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of a T2I-Adapter in diffusers' names. Raises Incomplete, Mismatch."""
    levels = range(count(shapes, "adapter.body."))
    if "adapter.conv_in.weight" not in shapes:
        widths = [shape(shapes, f"adapter.body.{level}.out_conv.weight", 4)[0] for level in levels]
        read = shape(shapes, "adapter.body.0.in_conv.weight", 4)[1]
        return light(widths, read, count(shapes, "adapter.body.0.resnets."))
    widths = [shape(shapes, f"adapter.body.{level}.resnets.0.block1.weight", 4)[0] for level in levels]
    return full(widths, shape(shapes, "adapter.conv_in.weight", 4)[1], count(shapes, "adapter.body.0.resnets."))


def plain_adapter_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of a T2I-Adapter in its makers' names, whose blocks stand in one row of four levels."""
    blocks = count(shapes, "body.")
    if "conv_in.weight" not in shapes:
        widths = [shape(shapes, f"body.{level}.out_conv.weight", 4)[0] for level in range(blocks)]
        return light(widths, shape(shapes, "body.0.in_conv.weight", 4)[1], count(shapes, "body.0.body."))
    each = max(blocks // 4, 1)
    widths = [shape(shapes, f"body.{place}.block1.weight", 4)[0] for place in range(0, blocks, each)]
    return full(widths, shape(shapes, "conv_in.weight", 4)[1], each)


def full(widths: list[int], read: int, each: int) -> dict[str, Any]:
    """Return the config of a full T2I-Adapter. read: channels of its first convolution; each: blocks of a level."""
    fold = UNSHUFFLED.get(read // 64, 8)
    return {
        "adapter_type": "full_adapter_xl" if fold == 16 else "full_adapter",
        "in_channels": max(read // fold**2, 1),
        "channels": widths,
        "num_res_blocks": each,
        "downscale_factor": fold,
    }


def light(widths: list[int], read: int, each: int) -> dict[str, Any]:
    """Return the config of a light T2I-Adapter, whose last width stands twice."""
    return {
        "adapter_type": "light_adapter",
        "in_channels": max(read // 64, 1),
        "channels": widths[:-1],
        "num_res_blocks": each,
        "downscale_factor": 8,
    }
