"""The generator of "Informative Drawings" (Chan, Durand and Isola 2022): photographs to line drawings.

The layout of sk_model.pth and sk_model2.pth, published under the MIT licence.
"""

from __future__ import annotations

from torch import Tensor, nn

WIDTH = 64


class Residual(nn.Module):
    """Two convolutions beside which the input goes on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, width, height, width) of the same size."""
        return x + self.conv_block(x)


class Sketch(nn.Module):
    """Colours (n, 3, height, width) in 0..1, sides in fours, to paper and ink: (n, 1, ...) of 1 and 0."""

    def __init__(self, width: int = WIDTH, blocks: int = 3) -> None:
        super().__init__()
        self.model0 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU())
        self.model1 = nn.Sequential(*(layer for times in (1, 2) for layer in halved(width * times)))
        self.model2 = nn.Sequential(*(Residual(width * 4) for _ in range(blocks)))
        self.model3 = nn.Sequential(*(layer for times in (4, 2) for layer in doubled(width * times)))
        self.model4 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, 1, 7), nn.Sigmoid())

    def forward(self, colours: Tensor) -> Tensor:
        """Return the drawing."""
        x = self.model2(self.model1(self.model0(colours)))
        return self.model4(self.model3(x))


def halved(width: int) -> tuple[nn.Module, ...]:
    """Return the layers that halve the sides and double the channels."""
    return nn.Conv2d(width, width * 2, 3, stride=2, padding=1), nn.InstanceNorm2d(width * 2), nn.ReLU()


def doubled(width: int) -> tuple[nn.Module, ...]:
    """Return the layers that double the sides and halve the channels."""
    up = nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)
    return up, nn.InstanceNorm2d(width // 2), nn.ReLU()
