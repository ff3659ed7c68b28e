"""The U-Net of Anime2Sketch (Xiang et al. 2022), of pix2pix's build: coloured drawings to their lines.

The layout of netG.pth, published under the MIT licence.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

WIDTH = 64
TIMES = (1, 2, 4, 8, 8, 8, 8, 8)  # channels of each level, in widths; each halves the sides


class Level(nn.Module):
    """One level: halves the sides, goes through those within, doubles them again."""

    def __init__(self, outer: int, inner: int, within: nn.Module | None, *, first: bool = False) -> None:
        super().__init__()
        self.first = first
        down = nn.Conv2d(3 if first else outer, inner, 4, stride=2, padding=1)
        up = nn.ConvTranspose2d(inner if within is None else inner * 2, 1 if first else outer, 4, stride=2, padding=1)
        if first:
            layers = [down, within, nn.ReLU(), up, nn.Tanh()]
        elif within is None:
            layers = [nn.LeakyReLU(0.2), down, nn.ReLU(), up, nn.InstanceNorm2d(outer)]
        else:
            there = [nn.LeakyReLU(0.2), down, nn.InstanceNorm2d(inner)]
            layers = [*there, within, nn.ReLU(), up, nn.InstanceNorm2d(outer)]
        self.model = nn.Sequential(*(layer for layer in layers if layer is not None))

    def forward(self, x: Tensor) -> Tensor:
        """Return the outermost's drawing, or of a level within its input beside what it makes."""
        return self.model(x) if self.first else torch.cat([x, self.model(x)], 1)


class Anime(nn.Module):
    """Colours (n, 3, height, width) in -1..1, sides in 256s, to paper and ink: (n, 1, ...) of 1 and -1."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        within: nn.Module | None = None
        for outer, inner in reversed(list(pairwise(TIMES))):
            within = Level(width * outer, width * inner, within)
        self.model = Level(1, width * TIMES[0], within, first=True)

    def forward(self, colours: Tensor) -> Tensor:
        """Return the drawing."""
        return self.model(colours)
