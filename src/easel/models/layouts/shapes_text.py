"""From the shapes of a text encoder's tensors to transformers' config: CLIP in two layouts, and T5."""

from __future__ import annotations

from typing import Any

from easel.core.errors import Incomplete
from easel.models.layouts.shapes import Shapes, count, shape

READ = {1024: 23}  # layers that Stable Diffusion 2 reads of its tower of 24, by the tower's width


def clip_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of a CLIP in transformers' names, with or without the wrapper's. Raises ModelError."""
    stem = "text_model." if any(key.startswith("text_model.") for key in shapes) else ""
    return tower_config(
        words=shape(shapes, f"{stem}embeddings.token_embedding.weight", 2),
        places=shape(shapes, f"{stem}embeddings.position_embedding.weight", 2),
        inner=shape(shapes, f"{stem}encoder.layers.0.mlp.fc1.weight", 2)[0],
        layers=count(shapes, f"{stem}encoder.layers."),
        projected=shapes.get("text_projection.weight", ())[:1],
    )


def open_clip_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of a CLIP in OpenCLIP's names. Raises Incomplete, Mismatch."""
    words = shape(shapes, "token_embedding.weight", 2)
    found = count(shapes, "transformer.resblocks.")
    return tower_config(
        words=words,
        places=shape(shapes, "positional_embedding", 2),
        inner=shape(shapes, "transformer.resblocks.0.mlp.c_fc.weight", 2)[0],
        layers=READ.get(words[1], found),
        projected=shapes.get("text_projection", ())[-1:],
    )


def open_clip_h_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of Stable Diffusion 2's CLIP in OpenCLIP's names. Raises Incomplete, Mismatch.

    The last layer but one is read of it, so that the last is left out where the file has it.
    """
    config = open_clip_config(shapes)
    found = config["num_hidden_layers"]
    return config | {"num_hidden_layers": READ.get(config["hidden_size"], max(found - 1, 1))}


def tower_config(
    *, words: tuple[int, ...], places: tuple[int, ...], inner: int, layers: int, projected: tuple[int, ...]
) -> dict[str, Any]:
    """Return transformers' config of a text tower but for its activation.

    words: (vocabulary, width); places: (positions, width); projected: (width behind the projection,) or nothing.
    """
    vocabulary, width = words
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": max(width // 64, 1),
        "max_position_embeddings": places[0],
        "projection_dim": projected[0] if projected else width,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }


def t5_config(shapes: Shapes) -> dict[str, Any]:
    """Return the config of T5's encoder, of version 1.1, whose layers are gated. Raises Incomplete, Mismatch."""
    words = next((key for key in ("shared.weight", "encoder.embed_tokens.weight") if key in shapes), "shared.weight")
    vocabulary, width = shape(shapes, words, 2)
    first = "encoder.block.0.layer."
    buckets, heads = shape(shapes, f"{first}0.SelfAttention.relative_attention_bias.weight", 2)
    inner = shape(shapes, f"{first}0.SelfAttention.q.weight", 2)[0]
    if f"{first}1.DenseReluDense.wi_0.weight" not in shapes:
        raise Incomplete(f"'{first}1.DenseReluDense.wi_0.weight' is missing")
    return {
        "vocab_size": vocabulary,
        "d_model": width,
        "d_kv": inner // heads,
        "d_ff": shape(shapes, f"{first}1.DenseReluDense.wi_0.weight", 2)[0],
        "num_layers": count(shapes, "encoder.block."),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu",
        "architectures": ["T5EncoderModel"],
    }
