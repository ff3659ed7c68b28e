"""Real-ESRGAN's compact build (Wang et al. 2021, arXiv 2107.10833): plain convolutions, then cells spread to pixels.

The starter's own upscaler is one, so this build needs no other package. Knows the names and shapes of its tensors;
knows no pictures.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from easel.core.errors import Mismatch
from easel.models.files.weights import build

NAME = re.compile(r"body\.(\d+)\.(weight|bias)")


class Compact(nn.Module):
    """`body`: a convolution and a PReLU in turn, a convolution last; what it gives is added to the repeated pixels."""

    def __init__(self, channels: int, features: int, middle: int, scale: int) -> None:
        """Build it with `middle` convolutions between the first and the last."""
        super().__init__()
        self.scale = scale
        layers: list[nn.Module] = [nn.Conv2d(channels, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(middle):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        self.body = nn.Sequential(*layers, nn.Conv2d(features, channels * scale**2, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Return pictures (n, channels, height, width) in 0..1 `scale` times as large."""
        repeated = F.interpolate(x, scale_factor=float(self.scale), mode="nearest")
        return F.pixel_shuffle(self.body(x), self.scale) + repeated


def fits(tensors: Mapping[str, Any]) -> bool:
    """Return whether tensors of such names and shapes are of this build."""
    first, act = tensors.get("body.0.weight"), tensors.get("body.1.weight")
    shaped = first is not None and len(first.shape) == 4 and act is not None and len(act.shape) == 1
    return shaped and all(NAME.fullmatch(name) for name in tensors)


def load(tensors: Mapping[str, Any], where: Path, dtype: torch.dtype, device: str) -> Compact:
    """Return the network of such tensors. Raises Incomplete or Mismatch naming the file."""
    last = max(int(name.split(".")[1]) for name in tensors)
    features, channels = tensors["body.0.weight"].shape[:2]
    end = tensors.get(f"body.{last}.weight")
    given = 0 if end is None else int(end.shape[0])
    scale = math.isqrt(given // channels) if channels else 0
    if last < 2 or last % 2 or not scale or given != channels * scale**2:
        raise Mismatch(f"{where}: its last layer gives {given} channels for {channels}, which is no enlargement.")
    made = build(lambda: Compact(channels, features, last // 2 - 1, scale), tensors, where, dtype=dtype, device=device)
    assert isinstance(made, Compact)
    return made
