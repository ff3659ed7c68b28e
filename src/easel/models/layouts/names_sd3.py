"""The names of Stable Diffusion 3's transformer: Stability's (MMDiT and MMDiT-X) beside diffusers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from easel.models.layouts.naming import Names, Place, inside, rows, table

ENDS = table(
    {
        "pos_embed": "pos_embed.pos_embed",
        "x_embedder.proj.": "pos_embed.proj.",
        "t_embedder.mlp.0.": "time_text_embed.timestep_embedder.linear_1.",
        "t_embedder.mlp.2.": "time_text_embed.timestep_embedder.linear_2.",
        "y_embedder.mlp.0.": "time_text_embed.text_embedder.linear_1.",
        "y_embedder.mlp.2.": "time_text_embed.text_embedder.linear_2.",
        "context_embedder.": "context_embedder.",
        "final_layer.linear.": "proj_out.",
        "final_layer.adaLN_modulation.1.": Place(("norm_out.linear.",), "swapped"),
    }
)
PICTURE = table(
    {
        "adaLN_modulation.1.": "norm1.linear.",
        "attn.qkv.": rows("attn.to_q.", "attn.to_k.", "attn.to_v."),
        "attn.ln_q.": "attn.norm_q.",
        "attn.ln_k.": "attn.norm_k.",
        "attn.proj.": "attn.to_out.0.",
        "mlp.fc1.": "ff.net.0.proj.",
        "mlp.fc2.": "ff.net.2.",
    }
)
SECOND = table(  # MMDiT-X attends a second time, to the picture alone
    {
        "attn2.qkv.": rows("attn2.to_q.", "attn2.to_k.", "attn2.to_v."),
        "attn2.ln_q.": "attn2.norm_q.",
        "attn2.ln_k.": "attn2.norm_k.",
        "attn2.proj.": "attn2.to_out.0.",
    }
)
TEXT = table(
    {
        "adaLN_modulation.1.": "norm1_context.linear.",
        "attn.qkv.": rows("attn.add_q_proj.", "attn.add_k_proj.", "attn.add_v_proj."),
        "attn.ln_q.": "attn.norm_added_q.",
        "attn.ln_k.": "attn.norm_added_k.",
        "attn.proj.": "attn.to_add_out.",
        "mlp.fc1.": "ff_context.net.0.proj.",
        "mlp.fc2.": "ff_context.net.2.",
    }
)
LAST_TEXT = TEXT | {"adaLN_modulation.1.": Place(("norm1_context.linear.",), "swapped")}  # only scale and shift
DIFFUSERS = ("pos_embed.", "time_text_embed.", "context_embedder.", "transformer_blocks.", "norm_out.", "proj_out.")


def sd3_names(config: Mapping[str, Any]) -> Names:
    """Return the transformer's names. config: diffusers'."""
    names, last = dict(ENDS), config["num_layers"] - 1
    for block in range(config["num_layers"]):
        old, new = f"joint_blocks.{block}.", f"transformer_blocks.{block}."
        picture = PICTURE | (SECOND if block in config["dual_attention_layers"] else {})
        names |= inside(f"{old}x_block.", new, picture)
        names |= inside(f"{old}context_block.", new, LAST_TEXT if block == last else TEXT)
    return names


def diffusers_sd3_names(config: Mapping[str, Any]) -> Names:
    """Return the names of a transformer that has diffusers' already."""
    return table({name: name for name in DIFFUSERS})
