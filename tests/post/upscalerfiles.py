"""Upscalers of published builds at tiny size with random weights, written as training programs leave them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from easel.post.architectures import torchvision_or_stand_in
from easel.post.compact import Compact

ESRGAN = {"num_filters": 8, "num_blocks": 1, "scale": 4}
SWINIR = {
    "img_size": 16,
    "embed_dim": 12,
    "depths": [2],
    "num_heads": [2],
    "window_size": 4,
    "mlp_ratio": 2,
    "upscale": 2,
    "upsampler": "pixelshuffledirect",
}


def spandrel_made(build: str, **options: Any) -> nn.Module:
    """Return spandrel's own module of a build with random weights."""
    with torchvision_or_stand_in():
        from spandrel import architectures
    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore"):
        return getattr(getattr(architectures, build), build)(**options).eval()


def compact(scale: int = 4, *, middle: int = 2, features: int = 8, seed: int = 0) -> Compact:
    """Return a small network of the compact build."""
    torch.manual_seed(seed)
    return Compact(3, features, middle, scale).eval()


def write(path: Path, tensors: dict[str, Tensor], wrapped: str = "") -> Path:
    """Write weights as .safetensors or as a torch pickle, there below the key `wrapped`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file({name: one.contiguous().clone() for name, one in tensors.items()}, path)
    else:
        torch.save({wrapped: tensors} if wrapped else tensors, path)
    return path
