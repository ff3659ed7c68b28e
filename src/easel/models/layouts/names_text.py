"""The names of text encoders: CLIP's as transformers and OpenCLIP have them, and T5's, beside transformers' today.

A CLIP that gives more than hidden states (CLIPTextModelWithProjection) wraps its tower by a name; one that does not
goes without it. The config's `architectures` says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from easel.models.layouts.naming import Names, Place, inside, rows, table

OPEN_CLIP_LAYER = table(
    {
        "ln_1.": "layer_norm1.",
        "ln_2.": "layer_norm2.",
        "attn.in_proj_": rows("self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."),
        "attn.out_proj.": "self_attn.out_proj.",
        "mlp.c_fc.": "mlp.fc1.",
        "mlp.c_proj.": "mlp.fc2.",
    }
)
OPEN_CLIP_ENDS = table(
    {
        "positional_embedding": "embeddings.position_embedding.weight",
        "token_embedding.": "embeddings.token_embedding.",
        "ln_final.": "final_layer_norm.",
    }
)
TOWER = table({name: name for name in ("embeddings.", "encoder.", "final_layer_norm.")})
PROJECTION = "text_projection.weight"
WORDS = ("shared.weight", "encoder.embed_tokens.weight")  # T5's, which the module has twice


def projects(config: Mapping[str, Any]) -> bool:
    """Return whether a CLIP's config asks for its projection."""
    return "CLIPTextModelWithProjection" in config.get("architectures", ())


def clip_names(config: Mapping[str, Any]) -> Names:
    """Return the names of a CLIP as transformers has it, with or without its wrapper's name."""
    new = "text_model." if projects(config) else ""
    names = inside("text_model.", new, TOWER) | inside("", new, TOWER)
    return names | (table({PROJECTION: PROJECTION}) if projects(config) else {})


def open_clip_names(config: Mapping[str, Any]) -> Names:
    """Return the names of a CLIP as OpenCLIP has it. config: transformers'."""
    new = "text_model." if projects(config) else ""
    names = inside("", new, OPEN_CLIP_ENDS)
    for layer in range(config["num_hidden_layers"]):
        names |= inside(f"transformer.resblocks.{layer}.", f"{new}encoder.layers.{layer}.", OPEN_CLIP_LAYER)
    if projects(config):
        names["text_projection"] = Place((PROJECTION,), "turned")
    return names


def t5_names(config: Mapping[str, Any]) -> Names:
    """Return the names of T5's encoder, which are transformers' own."""
    names = table({name: name for name in ("encoder.block.", "encoder.final_layer_norm.")})
    return names | {word: Place(WORDS, "shared") for word in WORDS}
