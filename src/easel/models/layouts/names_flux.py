"""The names of Flux.1's transformer: Black Forest Labs' beside diffusers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from easel.models.layouts.naming import Names, Place, inside, rows, table

EMBEDDER = table({"in_layer.": "linear_1.", "out_layer.": "linear_2."})
ENDS = table(
    {
        "img_in.": "x_embedder.",
        "txt_in.": "context_embedder.",
        "final_layer.linear.": "proj_out.",
        "final_layer.adaLN_modulation.1.": Place(("norm_out.linear.",), "swapped"),
    }
)
EMBEDDERS = {"time_in.": "timestep_embedder.", "vector_in.": "text_embedder.", "guidance_in.": "guidance_embedder."}
DOUBLE = table(
    {
        "img_mod.lin.": "norm1.linear.",
        "txt_mod.lin.": "norm1_context.linear.",
        "img_attn.qkv.": rows("attn.to_q.", "attn.to_k.", "attn.to_v."),
        "txt_attn.qkv.": rows("attn.add_q_proj.", "attn.add_k_proj.", "attn.add_v_proj."),
        "img_attn.norm.query_norm.scale": "attn.norm_q.weight",
        "img_attn.norm.key_norm.scale": "attn.norm_k.weight",
        "txt_attn.norm.query_norm.scale": "attn.norm_added_q.weight",
        "txt_attn.norm.key_norm.scale": "attn.norm_added_k.weight",
        "img_attn.proj.": "attn.to_out.0.",
        "txt_attn.proj.": "attn.to_add_out.",
        "img_mlp.0.": "ff.net.0.proj.",
        "img_mlp.2.": "ff.net.2.",
        "txt_mlp.0.": "ff_context.net.0.proj.",
        "txt_mlp.2.": "ff_context.net.2.",
    }
)
SINGLE = table(
    {
        "modulation.lin.": "norm.linear.",
        "norm.query_norm.scale": "attn.norm_q.weight",
        "norm.key_norm.scale": "attn.norm_k.weight",
        "linear2.": "proj_out.",
    }
)
DIFFUSERS = (
    "x_embedder.",
    "context_embedder.",
    "time_text_embed.",
    "transformer_blocks.",
    "single_transformer_blocks.",
)
DIFFUSERS += ("norm_out.", "proj_out.")


def flux_names(config: Mapping[str, Any]) -> Names:
    """Return the transformer's names. config: diffusers'."""
    width = config["num_attention_heads"] * config["attention_head_dim"]
    names = dict(ENDS)
    for old, new in EMBEDDERS.items():
        names |= inside(old, f"time_text_embed.{new}", EMBEDDER)
    for block in range(config["num_layers"]):
        names |= inside(f"double_blocks.{block}.", f"transformer_blocks.{block}.", DOUBLE)
    joined = rows("attn.to_q.", "attn.to_k.", "attn.to_v.", "proj_mlp.", heights=(width, width, width, 4 * width))
    for block in range(config["num_single_layers"]):
        names |= inside(f"single_blocks.{block}.", f"single_transformer_blocks.{block}.", SINGLE | {"linear1.": joined})
    return names


def diffusers_flux_names(config: Mapping[str, Any]) -> Names:
    """Return the names of a transformer that has diffusers' already."""
    return table({name: name for name in DIFFUSERS})
