"""Networks with random weights, written as published programs write them, and small real parts to wear them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

ALPHA = 2.0
RANK = 4


def tiny_unet(seed: int = 0, context: int = 32) -> UNet2DConditionModel:
    """Return a U-Net of Stable Diffusion 1's build with two levels."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=context,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    return unet.requires_grad_(False).eval()


def tiny_text_config() -> CLIPTextConfig:
    """Return the sizes of a text encoder of two layers."""
    return CLIPTextConfig(
        vocab_size=514,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )


def tiny_text(seed: int = 0) -> CLIPTextModel:
    """Return a text encoder of two layers."""
    torch.manual_seed(seed)
    return CLIPTextModel(tiny_text_config()).requires_grad_(False).eval()


def seen_by_unet(unet: nn.Module, rows: int = 2, seed: int = 7, context: int = 32) -> Tensor:
    """Return what a U-Net makes of random rows, all of them unlike."""
    made = torch.Generator().manual_seed(seed)
    dtype = next(unet.parameters()).dtype
    x = torch.randn(rows, 4, 8, 8, generator=made).to(dtype)
    text = torch.randn(rows, 6, context, generator=made).to(dtype)
    called: Any = unet
    with torch.inference_mode():
        return called(x, torch.arange(rows) * 100 + 50, text, return_dict=False)[0]


def layers(part: nn.Module, *kinds: type[nn.Module]) -> dict[str, nn.Module]:
    """Return a part's layers of some kinds by name."""
    return {name: layer for name, layer in part.named_modules() if isinstance(layer, kinds or (nn.Linear, nn.Conv2d))}


def lora(layer: nn.Module, seed: int, rank: int = RANK, size: float = 0.3) -> dict[str, Tensor]:
    """Return LoRA's two factors for a layer, as "down" and "up", with the shapes that kohya's trainer gives them."""
    made = torch.Generator().manual_seed(seed)
    weight: Any = layer.weight
    ones = [1] * (weight.ndim - 2)
    down = torch.randn(rank, *weight.shape[1:], generator=made) * size
    up = torch.randn(weight.shape[0], rank, *ones, generator=made) * size
    return {"down": down, "up": up}


def kohya(part: nn.Module, names: Iterable[str], prefix: str, seed: int = 1, alpha: float = ALPHA) -> dict[str, Tensor]:
    """Return a file's tensors for layers of a part in kohya's naming."""
    tensors: dict[str, Tensor] = {}
    for number, name in enumerate(names):
        factors = lora(part.get_submodule(name), seed * 1000 + number)
        stem = prefix + name.replace(".", "_")
        tensors |= {f"{stem}.lora_{role}.weight": tensor for role, tensor in factors.items()}
        tensors[f"{stem}.alpha"] = torch.tensor(alpha)
    return tensors


def written(folder: Path, tensors: Mapping[str, Tensor], name: str = "network", **metadata: str) -> Path:
    """Write a file's tensors and return the file."""
    file = folder / f"{name}.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, file, metadata or None)
    return file


def weights(part: nn.Module) -> dict[str, Tensor]:
    """Return copies of all that a part holds."""
    return {name: tensor.clone() for name, tensor in part.state_dict().items()}


def renamed(tensors: Mapping[str, Tensor], new: Callable[[str], str]) -> dict[str, Tensor]:
    """Return tensors under other names."""
    return {new(key): tensor for key, tensor in tensors.items()}
