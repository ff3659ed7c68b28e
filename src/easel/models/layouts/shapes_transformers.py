"""From the shapes of the transformers of Stable Diffusion 3 and Flux.1 to diffusers' configs, in both namings."""

from __future__ import annotations

import math
from typing import Any

from easel.core.errors import Mismatch
from easel.models.layouts.shapes import Shapes, count, shape

# What each layout calls the tensors that are asked for.
SD3 = {
    "places": "pos_embed",
    "enters": "x_embedder.proj.weight",
    "context": "context_embedder.weight",
    "pooled": "y_embedder.mlp.0.weight",
    "leaves": "final_layer.linear.weight",
    "blocks": "joint_blocks.",
    "norm": "x_block.attn.ln_q.weight",
    "second": "x_block.attn2.qkv.weight",
}
DIFFUSERS_SD3 = {
    "places": "pos_embed.pos_embed",
    "enters": "pos_embed.proj.weight",
    "context": "context_embedder.weight",
    "pooled": "time_text_embed.text_embedder.linear_1.weight",
    "leaves": "proj_out.weight",
    "blocks": "transformer_blocks.",
    "norm": "attn.norm_q.weight",
    "second": "attn2.to_q.weight",
}
FLUX = {
    "enters": "img_in.weight",
    "context": "txt_in.weight",
    "pooled": "vector_in.in_layer.weight",
    "guidance": "guidance_in.in_layer.weight",
    "leaves": "final_layer.linear.weight",
    "double": "double_blocks.",
    "single": "single_blocks.",
    "norm": "double_blocks.0.img_attn.norm.query_norm.scale",
}
DIFFUSERS_FLUX = {
    "enters": "x_embedder.weight",
    "context": "context_embedder.weight",
    "pooled": "time_text_embed.text_embedder.linear_1.weight",
    "guidance": "time_text_embed.guidance_embedder.linear_1.weight",
    "leaves": "proj_out.weight",
    "double": "transformer_blocks.",
    "single": "single_transformer_blocks.",
    "norm": "transformer_blocks.0.attn.norm_q.weight",
}
HEAD = 64  # numbers of a head of Stable Diffusion 3


def sd3_config(shapes: Shapes, called: dict[str, str] = SD3) -> dict[str, Any]:
    """Return the config of Stable Diffusion 3's transformer. Raises Incomplete, Mismatch."""
    width, taken, patch, _ = shape(shapes, called["enters"], 4)
    places = shape(shapes, called["places"], 3)[1]
    joint = shape(shapes, called["context"], 2)
    blocks = count(shapes, called["blocks"])
    if math.isqrt(places) ** 2 != places:
        raise Mismatch(f"{called['places']!r} has {places} places, needed is a square number")
    return {
        "sample_size": 128,
        "patch_size": patch,
        "in_channels": taken,
        "out_channels": shape(shapes, called["leaves"], 2)[0] // patch**2,
        "num_layers": blocks,
        "attention_head_dim": HEAD,
        "num_attention_heads": max(width // HEAD, 1),
        "joint_attention_dim": joint[1],
        "caption_projection_dim": joint[0],
        "pooled_projection_dim": shape(shapes, called["pooled"], 2)[1],
        "pos_embed_max_size": math.isqrt(places),
        "dual_attention_layers": [
            block for block in range(blocks) if f"{called['blocks']}{block}.{called['second']}" in shapes
        ],
        "qk_norm": "rms_norm" if f"{called['blocks']}0.{called['norm']}" in shapes else None,
    }


def diffusers_sd3_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of Stable Diffusion 3's transformer in diffusers' names. Raises Incomplete, Mismatch."""
    return sd3_config(shapes, DIFFUSERS_SD3)


def flux_config(shapes: Shapes, called: dict[str, str] = FLUX) -> dict[str, Any]:
    """Return the config of Flux.1's transformer. Raises Incomplete, Mismatch."""
    width, taken = shape(shapes, called["enters"], 2)
    head = shape(shapes, called["norm"], 1)[0]
    return {
        "patch_size": 1,
        "in_channels": taken,
        "out_channels": shape(shapes, called["leaves"], 2)[0],
        "num_layers": count(shapes, called["double"]),
        "num_single_layers": count(shapes, called["single"]),
        "attention_head_dim": head,
        "num_attention_heads": max(width // head, 1),
        "joint_attention_dim": shape(shapes, called["context"], 2)[1],
        "pooled_projection_dim": shape(shapes, called["pooled"], 2)[1],
        "guidance_embeds": called["guidance"] in shapes,
        "axes_dims_rope": [head // 8, head * 7 // 16, head * 7 // 16],
    }


def diffusers_flux_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of Flux.1's transformer in diffusers' names. Raises Incomplete, Mismatch."""
    return flux_config(shapes, DIFFUSERS_FLUX)
