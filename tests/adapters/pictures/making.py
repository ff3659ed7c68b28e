"""Image prompts with random weights in h94's layout, and picture towers, at tiny sizes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from easel.core.control import ImagePrompt

VISION, PROJECTED, PLACES = 48, 24, 17  # a tiny tower: its width, that of its projection, and 16 patches beside one
FACE = 20  # numbers of a face's embedding
KINDS = ("plain", "plus", "full", "face", "face plus")


def linear(out: int, into: int) -> Tensor:
    """A linear layer's weight that neither dies out nor explodes."""
    return torch.randn(out, into) / into**0.5


def resampler(into: int, hidden: int, width: int, *, inner: int = 64, layers: int = 4) -> dict[str, Tensor]:
    """A resampler as h94 names it, with keys and values in one."""
    found = {
        "proj_in.weight": linear(hidden, into),
        "proj_in.bias": torch.randn(hidden),
        "proj_out.weight": linear(width, hidden),
        "proj_out.bias": torch.randn(width),
        **norm("norm_out", width),
    }
    for number in range(layers):
        layer = {
            **norm("0.norm1", hidden),
            **norm("0.norm2", hidden),
            "0.to_q.weight": linear(inner, hidden),
            "0.to_kv.weight": linear(2 * inner, hidden),
            "0.to_out.weight": linear(hidden, inner),
            **norm("1.0", hidden),
            "1.1.weight": linear(4 * hidden, hidden),
            "1.3.weight": linear(hidden, 4 * hidden),
        }
        found |= {f"layers.{number}.{name}": tensor for name, tensor in layer.items()}
    return found


def norm(name: str, width: int) -> dict[str, Tensor]:
    """A norm's weights."""
    return {f"{name}.weight": 1 + torch.randn(width) / 4, f"{name}.bias": torch.randn(width) / 4}


def two_layers(into: int, inner: int, out: int) -> dict[str, Tensor]:
    """A feed-forward as h94 names it."""
    return {
        "proj.0.weight": linear(inner, into),
        "proj.0.bias": torch.randn(inner),
        "proj.2.weight": linear(out, inner),
        "proj.2.bias": torch.randn(out),
    }


def projection(kind: str, width: int) -> dict[str, Tensor]:
    """The projection of a kind to tokens of a width."""
    match kind:
        case "plain":
            return {
                "proj.weight": linear(4 * width, PROJECTED),
                "proj.bias": torch.randn(4 * width),
                **norm("norm", width),
            }
        case "plus":
            return {"latents": torch.randn(1, 6, 40), **resampler(VISION, 40, width)}
        case "full":
            return {**two_layers(VISION, VISION, width), **norm("proj.3", width)}
        case "face":
            return {**two_layers(FACE, 2 * FACE, 4 * width), **norm("norm", width)}
        case _:
            inner = {f"perceiver_resampler.{name}": one for name, one in resampler(VISION, width, width).items()}
            return {**two_layers(FACE, 2 * FACE, 4 * width), **norm("norm", width), **inner}


def attentions_of(unet: Any) -> list[tuple[str, Any]]:
    """All attentions of a U-Net in diffusers' own order."""
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    return [(name, unet.get_submodule(name)) for name in names]


def attention(unet: nn.Module, *, lora: bool = False) -> dict[str, Tensor]:
    """The keys and values of pictures for each cross-attention of a U-Net. lora: with a LoRA among them."""
    found: dict[str, Tensor] = {}
    for number, (name, one) in enumerate(attentions_of(unet)):
        out, into = one.to_k.weight.shape
        if name.endswith("attn2"):
            found |= {f"{number}.to_{half}_ip.weight": linear(out, into) for half in "kv"}
        if lora:
            shapes = {"q": one.to_q.weight.shape, "k": (out, into), "v": (out, into), "out": one.to_out[0].weight.shape}
            for letter, (height, columns) in shapes.items():
                found[f"{number}.to_{letter}_lora.down.weight"] = linear(3, columns)
                found[f"{number}.to_{letter}_lora.up.weight"] = linear(height, 3) / 4
    return found


def image_prompt(kind: str, unet: Any, *, seed: int = 0, lora: bool = False) -> dict[str, dict[str, Tensor]]:
    """An image prompt's tensors as a pickle has them: two dicts."""
    torch.manual_seed(seed)
    width = int(unet.config.cross_attention_dim)
    return {"image_proj": projection(kind, width), "ip_adapter": attention(unet, lora=lora)}


def flattened(nested: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Two dicts as safetensors has them."""
    return {f"{outer}.{name}": tensor for outer, inner in nested.items() for name, tensor in inner.items()}


def write_image_prompt(file: Path, nested: Mapping[str, Mapping[str, Tensor]]) -> Path:
    """Write an image prompt by its ending, safetensors or a pickle, and return its file."""
    if file.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in flattened(nested).items()}, file)
    else:
        torch.save({outer: dict(inner) for outer, inner in nested.items()}, file)
    return file


def write_tower(folder: Path, *, width: int = VISION, projected: int = PROJECTED, seed: int = 0) -> Path:
    """Write a CLIP picture tower as transformers would and return its folder."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(seed)
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=projected,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


def picture(seed: int = 0, size: tuple[int, int] = (40, 32)) -> bytes:
    """A PNG of soft colours."""
    chance = numpy.random.default_rng(seed)
    small = Image.fromarray(chance.integers(0, 255, (4, 4, 3), numpy.uint8))
    return png(small.resize(size, Image.Resampling.BICUBIC))


def png(image: Image.Image) -> bytes:
    """A picture's bytes."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def embedding(seed: int = 0) -> bytes:
    """A face's embedding as a .npy file."""
    file = io.BytesIO()
    numpy.save(file, numpy.random.default_rng(seed).normal(size=FACE).astype(numpy.float32))
    return file.getvalue()


def asked(*images: bytes, **changes: Any) -> ImagePrompt:
    """An image prompt of pictures."""
    return ImagePrompt(images=images or (picture(),), model="picture", **changes)
