"""Single files as latent-diffusion publishes them, with random weights: the layout written out from its own modules.

Nothing here is read from Easel's tables, so that they can be held against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Build:
    """The sizes of a checkpoint.

    second: Stable Diffusion 2's build and XL's. depths: transformer blocks of each level, the last level's in the
    middle too. told: numbers that XL's U-Net is told beside words. latent: channels of the autoencoder; quantised:
    whether it has the two convolutions about the latent.
    """

    second: bool = False
    inpaints: bool = False
    base: int = 64
    widths: tuple[int, ...] = (1, 2)
    attends: tuple[bool, ...] = (True, False)
    layers: int = 1
    depths: tuple[int, ...] = ()
    told: int = 0
    context: int = 0
    latent: int = 4
    quantised: bool = True
    vae_base: int = 32
    vae_widths: tuple[int, ...] = (1, 1, 2, 2)
    vae_layers: int = 1
    text: int = 64
    text_layers: int = 3
    text_inner: int = 128


FULL_1 = Build(
    base=320,
    widths=(1, 2, 4, 4),
    attends=(True, True, True, False),
    layers=2,
    vae_base=128,
    vae_widths=(1, 2, 4, 4),
    vae_layers=2,
    text=768,
    text_layers=12,
    text_inner=3072,
)
FULL_2 = Build(**{**FULL_1.__dict__, "second": True, "text": 1024, "text_layers": 24, "text_inner": 4096})
FULL_16 = Build(**{**FULL_1.__dict__, "latent": 16, "quantised": False})  # the autoencoder of 3 and of Flux
SMALL_1, SMALL_2 = Build(), Build(second=True)


def put(found: Shapes, name: str, *shape: int, bias: bool = True) -> None:
    """Note a layer's weight and bias."""
    found[f"{name}.weight"] = shape
    if bias:
        found[f"{name}.bias"] = shape[:1]


def unet_shapes(build: Build) -> Shapes:
    """ldm.modules.diffusionmodules.openaimodel.UNetModel."""
    found: Shapes = {}
    wide = 4 * build.base
    put(found, "time_embed.0", wide, build.base)
    put(found, "time_embed.2", wide, wide)
    put(found, "input_blocks.0.0", build.base, 9 if build.inpaints else 4, 3, 3)
    if build.told:
        put(found, "label_emb.0.0", wide, build.told)
        put(found, "label_emb.0.2", wide, wide)
    depths = build.depths or (1,) * len(build.widths)
    reads = build.context or build.text

    def resnet(name: str, before: int, after: int) -> None:
        put(found, f"{name}.in_layers.0", before)
        put(found, f"{name}.in_layers.2", after, before, 3, 3)
        put(found, f"{name}.emb_layers.1", after, wide)
        put(found, f"{name}.out_layers.0", after)
        put(found, f"{name}.out_layers.3", after, after, 3, 3)
        if before != after:
            put(found, f"{name}.skip_connection", after, before, 1, 1)

    def attention(name: str, width: int, depth: int) -> None:
        one = () if build.second else (1, 1)
        put(found, f"{name}.norm", width)
        put(found, f"{name}.proj_in", width, width, *one)
        for number in range(depth):
            inner = f"{name}.transformer_blocks.{number}"
            for which, read in (("attn1", width), ("attn2", reads)):
                put(found, f"{inner}.{which}.to_q", width, width, bias=False)
                put(found, f"{inner}.{which}.to_k", width, read, bias=False)
                put(found, f"{inner}.{which}.to_v", width, read, bias=False)
                put(found, f"{inner}.{which}.to_out.0", width, width)
            put(found, f"{inner}.ff.net.0.proj", 8 * width, width)
            put(found, f"{inner}.ff.net.2", width, 4 * width)
            for norm in ("norm1", "norm2", "norm3"):
                put(found, f"{inner}.{norm}", width)
        put(found, f"{name}.proj_out", width, width, *one)

    width, block, kept = build.base, 1, [build.base]
    for level, times in enumerate(build.widths):
        for _ in range(build.layers):
            resnet(f"input_blocks.{block}.0", width, times * build.base)
            width = times * build.base
            if build.attends[level]:
                attention(f"input_blocks.{block}.1", width, depths[level])
            kept.append(width)
            block += 1
        if level < len(build.widths) - 1:
            put(found, f"input_blocks.{block}.0.op", width, width, 3, 3)
            kept.append(width)
            block += 1
    resnet("middle_block.0", width, width)
    attention("middle_block.1", width, depths[-1])
    resnet("middle_block.2", width, width)
    block = 0
    for level in reversed(range(len(build.widths))):
        for layer in range(build.layers + 1):
            resnet(f"output_blocks.{block}.0", width + kept.pop(), build.widths[level] * build.base)
            width, part = build.widths[level] * build.base, 1
            if build.attends[level]:
                attention(f"output_blocks.{block}.1", width, depths[level])
                part = 2
            if level and layer == build.layers:
                put(found, f"output_blocks.{block}.{part}.conv", width, width, 3, 3)
            block += 1
    put(found, "out.0", width)
    put(found, "out.2", 4, build.base, 3, 3)
    return found


def vae_shapes(build: Build) -> Shapes:
    """ldm.models.autoencoder.AutoencoderKL with ldm.modules.diffusionmodules.model's encoder and decoder."""
    found: Shapes = {}
    widths = [times * build.vae_base for times in build.vae_widths]

    def resnet(name: str, before: int, after: int) -> None:
        for number, width in ((1, before), (2, after)):
            put(found, f"{name}.norm{number}", width)
            put(found, f"{name}.conv{number}", after, width, 3, 3)
        if before != after:
            put(found, f"{name}.nin_shortcut", after, before, 1, 1)

    def middle(side: str, width: int) -> None:
        resnet(f"{side}.mid.block_1", width, width)
        put(found, f"{side}.mid.attn_1.norm", width)
        for name in ("q", "k", "v", "proj_out"):
            put(found, f"{side}.mid.attn_1.{name}", width, width, 1, 1)
        resnet(f"{side}.mid.block_2", width, width)

    put(found, "encoder.conv_in", widths[0], 3, 3, 3)
    width = widths[0]
    for level, after in enumerate(widths):
        for layer in range(build.vae_layers):
            resnet(f"encoder.down.{level}.block.{layer}", width, after)
            width = after
        if level < len(widths) - 1:
            put(found, f"encoder.down.{level}.downsample.conv", width, width, 3, 3)
    middle("encoder", width)
    put(found, "encoder.norm_out", width)
    put(found, "encoder.conv_out", 2 * build.latent, width, 3, 3)
    put(found, "decoder.conv_in", width, build.latent, 3, 3)
    middle("decoder", width)
    for level in reversed(range(len(widths))):
        for layer in range(build.vae_layers + 1):
            resnet(f"decoder.up.{level}.block.{layer}", width, widths[level])
            width = widths[level]
        if level:
            put(found, f"decoder.up.{level}.upsample.conv", width, width, 3, 3)
    put(found, "decoder.norm_out", width)
    put(found, "decoder.conv_out", 3, width, 3, 3)
    if build.quantised:
        put(found, "quant_conv", 2 * build.latent, 2 * build.latent, 1, 1)
        put(found, "post_quant_conv", build.latent, build.latent, 1, 1)
    return found


def clip_shapes(build: Build) -> Shapes:
    """transformers' CLIPTextModel as it was when Stable Diffusion 1 was published."""
    found: Shapes = {"text_model.embeddings.position_ids": (1, 77)}
    put(found, "text_model.embeddings.token_embedding", 49408, build.text, bias=False)
    put(found, "text_model.embeddings.position_embedding", 77, build.text, bias=False)
    for layer in range(build.text_layers):
        name = f"text_model.encoder.layers.{layer}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            put(found, f"{name}.self_attn.{part}", build.text, build.text)
        put(found, f"{name}.layer_norm1", build.text)
        put(found, f"{name}.mlp.fc1", build.text_inner, build.text)
        put(found, f"{name}.mlp.fc2", build.text, build.text_inner)
        put(found, f"{name}.layer_norm2", build.text)
    put(found, "text_model.final_layer_norm", build.text)
    return found


def open_clip_shapes(build: Build) -> Shapes:
    """open_clip's text tower, as Stable Diffusion 2 carries it."""
    width = build.text
    found: Shapes = {"positional_embedding": (77, width), "text_projection": (width, width), "logit_scale": ()}
    put(found, "token_embedding", 49408, width, bias=False)
    for layer in range(build.text_layers):
        name = f"transformer.resblocks.{layer}"
        put(found, f"{name}.ln_1", width)
        found[f"{name}.attn.in_proj_weight"], found[f"{name}.attn.in_proj_bias"] = (3 * width, width), (3 * width,)
        put(found, f"{name}.attn.out_proj", width, width)
        put(found, f"{name}.ln_2", width)
        put(found, f"{name}.mlp.c_fc", build.text_inner, width)
        put(found, f"{name}.mlp.c_proj", width, build.text_inner)
    put(found, "ln_final", width)
    return found


def checkpoint_shapes(build: Build) -> Shapes:
    """Return the shapes of all tensors of a published file, with its noise schedule."""
    text = open_clip_shapes(build) if build.second else clip_shapes(build)
    where = "cond_stage_model.model." if build.second else "cond_stage_model.transformer."
    parts = {"model.diffusion_model.": unet_shapes(build), "first_stage_model.": vae_shapes(build), where: text}
    found = {prefix + name: shape for prefix, shapes in parts.items() for name, shape in shapes.items()}
    return found | {"betas": (1000,), "alphas_cumprod": (1000,), "sqrt_recipm1_alphas_cumprod": (1000,)}


def random_tensors(build: Build, seed: int = 0) -> dict[str, Tensor]:
    """Return a checkpoint's tensors: norms about one, weights that keep a signal's size."""
    return filled(checkpoint_shapes(build), seed)


def filled(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Return random tensors of these shapes."""
    chance = torch.Generator().manual_seed(seed)
    return {name: random_tensor(name, shape, chance) for name, shape in shapes.items()}


def random_tensor(name: str, shape: tuple[int, ...], chance: torch.Generator) -> Tensor:
    """Return one tensor of a checkpoint."""
    if name.endswith("position_ids"):
        return torch.arange(77)[None]
    value = torch.randn(shape, generator=chance)
    if len(shape) > 1:
        return value / value[0].numel() ** 0.5
    return (1.0 if name.endswith("weight") else 0.0) + 0.1 * value


def write_ldm(file: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    """Write a safetensors file and return it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in tensors.items()}, file, metadata or {"format": "pt"})
    return file
