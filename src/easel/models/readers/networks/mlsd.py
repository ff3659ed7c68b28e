"""M-LSD large (Gu et al. 2022): straight lines by their middles and both ends, on MobileNet V2's features.

The layout of mlsd_large_512_fp32.pth, published under Apache 2.0. What comes out are the maps; lines.py reads them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1))  # wider, channels, times, stride
KEPT = (1, 3, 6, 10, 13)  # the last block of each stage
MAPS = 9  # of 16 channels of the last layer: the middle, four displacements, and others that drawing does without


class Convolution(nn.Sequential):
    """A convolution, its norm and ReLU6; one that halves pads at the far sides alone, as TensorFlow does."""

    def __init__(self, channels_in: int, channels: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> None:
        padding = 0 if stride == 2 else (kernel - 1) // 2
        convolution = nn.Conv2d(channels_in, channels, kernel, stride, padding, groups=groups, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(channels), nn.ReLU6())
        self.halves = stride == 2

    def forward(self, input: Tensor) -> Tensor:
        """Return the features, (n, channels, height, width)."""
        return super().forward(F.pad(input, (0, 1, 0, 1)) if self.halves else input)


class Inverted(nn.Module):
    """MobileNet V2's block: wider, each channel for itself, narrow again."""

    def __init__(self, channels_in: int, channels: int, stride: int, wider: int) -> None:
        super().__init__()
        width = channels_in * wider
        layers: list[nn.Module] = [Convolution(channels_in, width, 1)] if wider != 1 else []
        layers += [Convolution(width, width, stride=stride, groups=width)]
        layers += [nn.Conv2d(width, channels, 1, bias=False), nn.BatchNorm2d(channels)]
        self.conv = nn.Sequential(*layers)
        self.goes_on = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the features, with the input where shapes are equal."""
        return x + self.conv(x) if self.goes_on else self.conv(x)


class Backbone(nn.Module):
    """MobileNet V2 without its last stages, on colours and a fourth channel of ones."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [Convolution(4, 32, stride=2)]
        width = 32
        for wider, channels, times, stride in STAGES:
            for place in range(times):
                layers.append(Inverted(width, channels, stride if place == 0 else 1, wider))
                width = channels
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of five scales, the largest first."""
        found: list[Tensor] = []
        for place, layer in enumerate(self.features):
            x = layer(x)
            found += [x] if place in KEPT else []
        return found


def normed(channels_in: int, channels: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    """Return a convolution of unchanged size, its norm and ReLU."""
    padding = dilation * (kernel - 1) // 2
    convolution = nn.Conv2d(channels_in, channels, kernel, padding=padding, dilation=dilation)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU())


class Joined(nn.Module):
    """Features of one scale beside those of the coarser one, brought to its size."""

    def __init__(self, fine: int, coarse: int, *, larger: bool = True) -> None:
        super().__init__()
        self.conv1, self.conv2 = normed(coarse, 64, 1), normed(fine, 64, 1)
        self.larger = larger

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Return 128 channels at the finer scale."""
        coarse = self.conv1(coarse)
        if self.larger:
            coarse = F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=True)
        return torch.cat([self.conv2(fine), coarse], 1)


class Mixed(nn.Module):
    """128 channels to 64."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = normed(128, 128, 3), normed(128, 64, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return 64 channels of the same size."""
        return self.conv2(self.conv1(x) + x)


class Last(nn.Module):
    """64 channels to the maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = normed(64, 64, 3, dilation=5), normed(64, 64, 3)
        self.conv3 = nn.Conv2d(64, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return 16 maps of the same size."""
        return self.conv3(self.conv2(self.conv1(x)))


class Mlsd(nn.Module):
    """Colours and ones (n, 4, height, width) in -1..1, sides in 32s, to maps of half the sides (n, 9, ...).

    The first map says how likely (before a sigmoid) a pixel is a line's middle, the next four are the way from there
    to its two ends: x, y, x, y.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.block15, self.block16 = Joined(64, 96, larger=False), Mixed()
        self.block17, self.block18 = Joined(32, 64), Mixed()
        self.block19, self.block20 = Joined(24, 64), Mixed()
        self.block21, self.block22 = Joined(16, 64), Mixed()
        self.block23 = Last()

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps."""
        first, second, third, fourth, fifth = self.backbone(x)
        x = self.block16(self.block15(fourth, fifth))
        x = self.block18(self.block17(third, x))
        x = self.block20(self.block19(second, x))
        x = self.block22(self.block21(first, x))
        return self.block23(x)[:, -MAPS:]
