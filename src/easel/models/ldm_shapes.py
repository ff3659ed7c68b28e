"""From the shapes in a single file to the configs of its U-Net, autoencoder and text encoder.

Names here are without the part's own beginning. What shapes do not tell is Stable Diffusion's: 8 heads in 1.x and heads
of 64 numbers in 2.x, groups of 32, gelu in OpenCLIP and its quick form in CLIP. Knows no tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from easel.core.errors import Incomplete, Mismatch

Shapes = Mapping[str, tuple[int, ...]]
OPEN_CLIP_DEPTH = {1024: 24}  # layers of the published tower by its width


def shape(shapes: Shapes, key: str, rank: int) -> tuple[int, ...]:
    """Return the shape of a tensor; raises Incomplete where it is missing, Mismatch where it has other dimensions."""
    if key not in shapes:
        raise Incomplete(f"{key!r} is missing")
    found = shapes[key]
    if len(found) != rank or min(found, default=0) < 1:
        raise Mismatch(f"{key!r} is {found}, needed is a tensor of {rank} dimensions")
    return found


def count(shapes: Shapes, stem: str) -> int:
    """Return how many numbered parts stand under a name: stem0., stem1., ..."""
    return len({key[len(stem) :].split(".", 1)[0] for key in shapes if key.startswith(stem)})


def levels_of(shapes: Shapes) -> list[list[int]]:
    """Return the input blocks of a U-Net that hold its layers, one list a level; a downsampler ends a level."""
    levels: list[list[int]] = [[]]
    for block in range(1, count(shapes, "input_blocks.")):
        if f"input_blocks.{block}.0.op.weight" in shapes:
            levels.append([])
        else:
            levels[-1].append(block)
    if len({len(level) for level in levels}) != 1 or not levels[0]:
        raise Mismatch(f"its U-Net has {', '.join(str(len(level)) for level in levels)} layers a level, not the same")
    return levels


def is_second(shapes: Shapes) -> bool:
    """Return whether a U-Net is of Stable Diffusion 2, which enters its attention by a linear layer."""
    return any(key.endswith(".proj_in.weight") and len(found) == 2 for key, found in shapes.items())


def unet_config(shapes: Shapes, side: int) -> dict[str, Any]:
    """Return diffusers' config of a U-Net; `side`: of the latent it was trained on. Raises Incomplete, Mismatch."""
    levels = levels_of(shapes)
    channels = [shape(shapes, f"input_blocks.{level[0]}.0.out_layers.3.weight", 4)[0] for level in levels]
    attends = [f"input_blocks.{level[0]}.1.norm.weight" in shapes for level in levels]
    second = is_second(shapes)
    cross = shape(shapes, "middle_block.1.transformer_blocks.0.attn2.to_k.weight", 2)[1]
    return {
        "sample_size": side,
        "in_channels": shape(shapes, "input_blocks.0.0.weight", 4)[1],
        "out_channels": shape(shapes, "out.2.weight", 4)[0],
        "block_out_channels": channels,
        "down_block_types": ["CrossAttnDownBlock2D" if attend else "DownBlock2D" for attend in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(attends)],
        "layers_per_block": len(levels[0]),
        "cross_attention_dim": cross,
        "attention_head_dim": [max(width // 64, 1) for width in channels] if second else 8,  # the number of heads
        "use_linear_projection": second,
    }


def vae_config(shapes: Shapes) -> dict[str, Any]:
    """Return diffusers' config of an autoencoder. Raises Incomplete, Mismatch."""
    levels = count(shapes, "encoder.down.")
    if not levels:
        raise Incomplete("'encoder.down.0.block.0.conv1.weight' is missing")
    return {
        "block_out_channels": [
            shape(shapes, f"encoder.down.{level}.block.0.conv1.weight", 4)[0] for level in range(levels)
        ],
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "layers_per_block": count(shapes, "encoder.down.0.block."),
        "latent_channels": shape(shapes, "post_quant_conv.weight", 4)[0],
        "scaling_factor": 0.18215,
    }


def clip_config(shapes: Shapes) -> dict[str, Any]:
    """Return transformers' config of Stable Diffusion 1's text encoder. Raises Incomplete, Mismatch."""
    stem = "text_model." if any(key.startswith("text_model.") for key in shapes) else ""
    return text_config(
        words=shape(shapes, f"{stem}embeddings.token_embedding.weight", 2),
        places=shape(shapes, f"{stem}embeddings.position_embedding.weight", 2),
        inner=shape(shapes, f"{stem}encoder.layers.0.mlp.fc1.weight", 2)[0],
        layers=count(shapes, f"{stem}encoder.layers."),
        activation="quick_gelu",
    )


def open_clip_config(shapes: Shapes) -> dict[str, Any]:
    """Return transformers' config of Stable Diffusion 2's text encoder. Raises Incomplete, Mismatch.

    It reads the last layer but one, so that the last is left out where the file has it.
    """
    words = shape(shapes, "token_embedding.weight", 2)
    found = count(shapes, "transformer.resblocks.")
    return text_config(
        words=words,
        places=shape(shapes, "positional_embedding", 2),
        inner=shape(shapes, "transformer.resblocks.0.mlp.c_fc.weight", 2)[0],
        layers=max(OPEN_CLIP_DEPTH.get(words[1], found) - 1, 1),
        activation="gelu",
    )


def text_config(
    *, words: tuple[int, ...], places: tuple[int, ...], inner: int, layers: int, activation: str
) -> dict[str, Any]:
    """Return transformers' config of a text tower. words: (vocabulary, width); places: (positions, width)."""
    vocabulary, width = words
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": max(width // 64, 1),
        "max_position_embeddings": places[0],
        "hidden_act": activation,
        "projection_dim": width,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }
