"""Text encoders as they are published: CLIP as transformers writes it, OpenCLIP, and T5 1.1's encoder."""

from __future__ import annotations

from dataclasses import dataclass

from tests.ldm import Shapes, put


@dataclass(frozen=True)
class Tower:
    """The sizes of a CLIP's text tower. projected: width behind its projection, 0 without one."""

    width: int
    layers: int
    inner: int
    projected: int = 0


CLIP_L, CLIP_G = Tower(768, 12, 3072), Tower(1280, 32, 5120, 1280)
SMALL_L, SMALL_G = Tower(64, 2, 128), Tower(128, 2, 256, 128)


def clip(tower: Tower, *, positions: bool = True) -> Shapes:
    """transformers' CLIPTextModel, or CLIPTextModelWithProjection where it projects. positions: as it once counted."""
    found: Shapes = {"text_model.embeddings.position_ids": (1, 77)} if positions else {}
    put(found, "text_model.embeddings.token_embedding", 49408, tower.width, bias=False)
    put(found, "text_model.embeddings.position_embedding", 77, tower.width, bias=False)
    for layer in range(tower.layers):
        name = f"text_model.encoder.layers.{layer}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            put(found, f"{name}.self_attn.{part}", tower.width, tower.width)
        for norm in ("layer_norm1", "layer_norm2"):
            put(found, f"{name}.{norm}", tower.width)
        put(found, f"{name}.mlp.fc1", tower.inner, tower.width)
        put(found, f"{name}.mlp.fc2", tower.width, tower.inner)
    put(found, "text_model.final_layer_norm", tower.width)
    if tower.projected:
        put(found, "text_projection", tower.projected, tower.width, bias=False)
    return found


def open_clip(tower: Tower) -> Shapes:
    """open_clip's text tower; its projection is a matrix from the right."""
    width = tower.width
    found: Shapes = {"positional_embedding": (77, width), "text_projection": (width, tower.projected)}
    found["logit_scale"] = ()
    put(found, "token_embedding", 49408, width, bias=False)
    for layer in range(tower.layers):
        name = f"transformer.resblocks.{layer}"
        found[f"{name}.attn.in_proj_weight"], found[f"{name}.attn.in_proj_bias"] = (3 * width, width), (3 * width,)
        put(found, f"{name}.attn.out_proj", width, width)
        for norm in ("ln_1", "ln_2"):
            put(found, f"{name}.{norm}", width)
        put(found, f"{name}.mlp.c_fc", tower.inner, width)
        put(found, f"{name}.mlp.c_proj", width, tower.inner)
    put(found, "ln_final", width)
    return found


@dataclass(frozen=True)
class T5:
    """The sizes of T5's encoder."""

    words: int = 32128
    width: int = 4096
    inner: int = 10240
    layers: int = 24
    heads: int = 64


T5_XXL, SMALL_T5 = T5(), T5(words=300, width=64, inner=128, layers=2, heads=4)


def t5(size: T5, *, twice: bool = False) -> Shapes:
    """transformers' T5EncoderModel of version 1.1. twice: with the words a second time, as some files have them."""
    found: Shapes = {"shared.weight": (size.words, size.width)}
    if twice:
        found["encoder.embed_tokens.weight"] = (size.words, size.width)
    for block in range(size.layers):
        first, second = (f"encoder.block.{block}.layer.{number}" for number in (0, 1))
        for letter in "qkvo":
            put(found, f"{first}.SelfAttention.{letter}", size.width, size.width, bias=False)
        if not block:
            found[f"{first}.SelfAttention.relative_attention_bias.weight"] = (32, size.heads)
        put(found, f"{first}.layer_norm", size.width, bias=False)
        put(found, f"{second}.DenseReluDense.wi_0", size.inner, size.width, bias=False)
        put(found, f"{second}.DenseReluDense.wi_1", size.inner, size.width, bias=False)
        put(found, f"{second}.DenseReluDense.wo", size.width, size.inner, bias=False)
        put(found, f"{second}.layer_norm", size.width, bias=False)
    put(found, "encoder.final_layer_norm", size.width, bias=False)
    return found


def within(prefix: str, shapes: Shapes) -> Shapes:
    """Return shapes with their part's beginning before their names."""
    return {prefix + name: shape for name, shape in shapes.items()}
