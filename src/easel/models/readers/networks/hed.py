"""ControlNet's edge finder after HED (Xie and Tu 2015): five blocks of VGG's build, each with a map of its own.

The layout of ControlNetHED.pth, published under Apache 2.0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = (64, 128, 256, 512, 512)
DEPTHS = (2, 2, 3, 3, 3)


class Block(nn.Module):
    """Convolutions at one scale, and the map that is read from them."""

    def __init__(self, channels_in: int, channels: int, depth: int) -> None:
        super().__init__()
        widths = (channels_in, *(channels,) * (depth - 1))
        self.convs = nn.ModuleList(nn.Conv2d(width, channels, 3, padding=1) for width in widths)
        self.projection = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what goes on to the next scale, and the map (n, 1, height, width)."""
        for conv in self.convs:
            x = conv(x).relu()
        return x, self.projection(x)


class Hed(nn.Module):
    """Levels (n, 3, height, width) in 0..255 to how likely each pixel is an edge, (n, 1, ...) in 0..1."""

    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        self.norm = nn.Parameter(torch.zeros(1, 3, 1, 1))
        for place, (width_in, width, depth) in enumerate(zip((3, *channels), channels, DEPTHS, strict=False), 1):
            setattr(self, f"block{place}", Block(width_in, width, depth))

    def forward(self, levels: Tensor) -> Tensor:
        """Return the mean of all scales' maps, brought to the picture's size, as a share."""
        x, maps = levels - self.norm, []
        for place in range(1, len(DEPTHS) + 1):
            x = x if place == 1 else F.max_pool2d(x, 2)
            x, found = getattr(self, f"block{place}")(x)
            maps.append(F.interpolate(found, levels.shape[-2:], mode="bilinear", align_corners=False))
        return torch.stack(maps).mean(0).sigmoid()
