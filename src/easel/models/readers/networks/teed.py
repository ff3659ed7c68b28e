"""TEED (Soria et al. 2023): a tiny edge finder of 58,000 weights, three scales and what joins them.

The layout of its published 5_model.pth and 7_model.pth, under the MIT licence.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def smish(x: Tensor) -> Tensor:
    """Return x tanh(ln(1 + sigmoid(x))) (Wang et al. 2022)."""
    return x * (1 + x.sigmoid()).log().tanh()


class Smish(nn.Module):
    """The same as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Return smish of each number."""
        return smish(x)


class Pair(nn.Module):
    """Two convolutions, the first of which may halve."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1, *, bends: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=1, stride=stride)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bends = bends

    def forward(self, x: Tensor) -> Tensor:
        """Return the features, bent at the end where asked."""
        x = self.conv2(smish(self.conv1(x)))
        return smish(x) if self.bends else x


class Beside(nn.Module):
    """A convolution of single pixels."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features."""
        return self.conv(x)


class Dense(nn.Module):
    """Two convolutions whose result is averaged with what goes on beside them."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=2)
        self.conv2 = nn.Conv2d(channels, channels, 3)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        """Return the features, of the same size."""
        return (self.conv2(smish(self.conv1(smish(x)))) + beside) / 2


class Larger(nn.Module):
    """Features to one map, doubled once or twice."""

    def __init__(self, channels: int, times: int) -> None:
        super().__init__()
        kernel, padding = (2, 0) if times == 1 else (4, 1)
        layers: list[nn.Module] = []
        for time in range(times):
            width = 1 if time == times - 1 else 16
            layers += [nn.Conv2d(channels, width, 1), Smish()]
            layers += [nn.ConvTranspose2d(width, width, kernel, stride=2, padding=padding)]
            channels = width
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map, (n, 1, height, width)."""
        return self.features(x)


class Fusion(nn.Module):
    """Three maps to one, each by convolutions of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.DWconv1 = nn.Conv2d(3, 24, 3, padding=1, groups=3)
        self.DWconv2 = nn.Conv2d(24, 24, 3, padding=1, groups=24)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the map."""
        first = self.DWconv1(smish(maps))
        second = self.DWconv2(smish(first))
        return smish((first + second).sum(1, keepdim=True))


class Teed(nn.Module):
    """Levels (n, 3, height, width) in 0..255, sides in eights, to how likely each pixel is an edge, (n, 1, ...)."""

    def __init__(self) -> None:
        super().__init__()
        self.block_1, self.block_2 = Pair(3, 16, 2), Pair(16, 32, bends=False)
        self.dblock_3 = nn.ModuleDict({"denselayer1": Dense(32, 48)})
        self.side_1, self.pre_dense_3 = Beside(16, 32, 2), Beside(32, 48)
        self.up_block_1, self.up_block_2, self.up_block_3 = Larger(16, 1), Larger(32, 1), Larger(48, 2)
        self.block_cat = Fusion()

    def forward(self, levels: Tensor) -> Tensor:
        """Return the mean of the four maps as a share."""
        first = self.block_1(levels)
        second = self.block_2(first)
        down = F.max_pool2d(second, 3, 2, 1)
        third = self.dblock_3["denselayer1"](down + self.side_1(first), self.pre_dense_3(down))
        maps = torch.cat([self.up_block_1(first), self.up_block_2(second), self.up_block_3(third)], 1)
        return torch.cat([maps, self.block_cat(maps)], 1).mean(1, keepdim=True).sigmoid()
