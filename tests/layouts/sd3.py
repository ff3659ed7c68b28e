"""Stable Diffusion 3 and 3.5 as Stability lays them out: the transformer, the autoencoder and, or not, the encoders."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.layouts.text import CLIP_G, CLIP_L, SMALL_G, SMALL_L, SMALL_T5, T5, T5_XXL, Tower, clip, t5, within
from tests.ldm import FULL_16, Build, Shapes, put, vae_shapes


@dataclass(frozen=True)
class SD3:
    """The sizes of a transformer and of what stands with it.

    second: how many of the first blocks attend a second time; normed: whether queries and keys are.
    """

    depth: int = 24
    places: int = 192
    second: int = 0
    normed: bool = False
    head: int = 64
    first: Tower = CLIP_L
    other: Tower = CLIP_G
    t5: T5 = T5_XXL
    latent: Build = FULL_16


MEDIUM = SD3()
MEDIUM_35 = SD3(places=384, second=13, normed=True)
LARGE_35 = SD3(depth=38, normed=True)
SMALL_MEDIUM = SD3(
    depth=3,
    places=8,
    first=SMALL_L,
    other=SMALL_G,
    t5=replace(SMALL_T5, width=256, heads=8),
    latent=Build(latent=16, quantised=False),
)
SMALL_MEDIUM_35 = replace(SMALL_MEDIUM, second=2, normed=True)
SMALL_LARGE_35 = replace(SMALL_MEDIUM, normed=True)


def sd3_shapes(size: SD3) -> Shapes:
    """mmditx.MMDiTX, whose width is 64 for each of its blocks."""
    found: Shapes = {}
    width = 64 * size.depth
    found["pos_embed"] = (1, size.places**2, width)
    put(found, "x_embedder.proj", width, 16, 2, 2)
    put(found, "t_embedder.mlp.0", width, 256)
    put(found, "t_embedder.mlp.2", width, width)
    put(found, "y_embedder.mlp.0", width, size.first.width + size.other.projected)
    put(found, "y_embedder.mlp.2", width, width)
    put(found, "context_embedder", width, size.t5.width)

    def attention(name: str, *, ends: bool) -> None:
        put(found, f"{name}.qkv", 3 * width, width)
        if size.normed:
            found[f"{name}.ln_q.weight"] = found[f"{name}.ln_k.weight"] = (size.head,)
        if ends:
            put(found, f"{name}.proj", width, width)

    for block in range(size.depth):
        last = block == size.depth - 1
        picture, text = (f"joint_blocks.{block}.{side}_block" for side in ("x", "context"))
        second = block < size.second
        attention(f"{picture}.attn", ends=True)
        attention(f"{text}.attn", ends=not last)
        if second:
            attention(f"{picture}.attn2", ends=True)
        put(found, f"{picture}.adaLN_modulation.1", (9 if second else 6) * width, width)
        put(found, f"{text}.adaLN_modulation.1", (2 if last else 6) * width, width)
        for side in (picture,) if last else (picture, text):
            put(found, f"{side}.mlp.fc1", 4 * width, width)
            put(found, f"{side}.mlp.fc2", width, 4 * width)
    put(found, "final_layer.linear", 64, width)
    put(found, "final_layer.adaLN_modulation.1", 2 * width, width)
    return found


def sd3_checkpoint(size: SD3, *, encoders: bool = True, third: bool = True) -> Shapes:
    """Return the shapes of a published file. encoders: with both CLIPs; third: and with T5."""
    found = within("model.diffusion_model.", sd3_shapes(size)) | within("first_stage_model.", vae_shapes(size.latent))
    if encoders:
        found |= within("text_encoders.clip_l.transformer.", clip(size.first, positions=False))
        found |= within("text_encoders.clip_g.transformer.", clip(size.other, positions=False))
        found |= {"text_encoders.clip_l.logit_scale": (), "text_encoders.clip_g.logit_scale": ()}
        if third:
            found |= within("text_encoders.t5xxl.transformer.", t5(size.t5))
    return found | {"model_sampling.sigmas": (1000,)}
