"""Flux.1 as Black Forest Labs lay it out, alone and with everything in one file."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.layouts.text import CLIP_L, SMALL_L, SMALL_T5, T5, T5_XXL, Tower, clip, t5, within
from tests.ldm import FULL_16, Build, Shapes, put, vae_shapes


@dataclass(frozen=True)
class Flux:
    """The sizes of a transformer and of what stands with it. guided: dev, which reads its guidance."""

    guided: bool = True
    double: int = 19
    single: int = 38
    width: int = 3072
    head: int = 128
    taken: int = 64
    text: Tower = CLIP_L
    t5: T5 = T5_XXL
    latent: Build = FULL_16


DEV = Flux()
SCHNELL = Flux(guided=False)
SMALL_DEV = Flux(
    double=2, single=3, width=64, head=32, text=SMALL_L, t5=SMALL_T5, latent=Build(latent=16, quantised=False)
)
SMALL_SCHNELL = replace(SMALL_DEV, guided=False)


def flux_shapes(size: Flux) -> Shapes:
    """flux.model.Flux with its DoubleStreamBlock, SingleStreamBlock and LastLayer."""
    found: Shapes = {}
    width = size.width
    put(found, "img_in", width, size.taken)
    put(found, "txt_in", width, size.t5.width)
    for name, read in (("time_in", 256), ("vector_in", size.text.width), *([("guidance_in", 256)] * size.guided)):
        put(found, f"{name}.in_layer", width, read)
        put(found, f"{name}.out_layer", width, width)
    for block in range(size.double):
        for side in ("img", "txt"):
            name = f"double_blocks.{block}.{side}"
            put(found, f"{name}_mod.lin", 6 * width, width)
            put(found, f"{name}_attn.qkv", 3 * width, width)
            for norm in ("query_norm", "key_norm"):
                found[f"{name}_attn.norm.{norm}.scale"] = (size.head,)
            put(found, f"{name}_attn.proj", width, width)
            put(found, f"{name}_mlp.0", 4 * width, width)
            put(found, f"{name}_mlp.2", width, 4 * width)
    for block in range(size.single):
        name = f"single_blocks.{block}"
        put(found, f"{name}.linear1", 7 * width, width)
        put(found, f"{name}.linear2", width, 5 * width)
        for norm in ("query_norm", "key_norm"):
            found[f"{name}.norm.{norm}.scale"] = (size.head,)
        put(found, f"{name}.modulation.lin", 3 * width, width)
    put(found, "final_layer.linear", 64, width)
    put(found, "final_layer.adaLN_modulation.1", 2 * width, width)
    return found


def flux_checkpoint(size: Flux, *, vae: str = "vae.") -> Shapes:
    """Return the shapes of a file with everything in it, as ComfyUI's users keep it."""
    found = within("model.diffusion_model.", flux_shapes(size)) | within(vae, vae_shapes(size.latent))
    found |= within("text_encoders.clip_l.transformer.", clip(size.text, positions=False))
    found |= within("text_encoders.t5xxl.transformer.", t5(size.t5, twice=True))
    return found | {"text_encoders.clip_l.logit_scale": ()}
