"""Decodes large latents tile by tile, to the picture that the whole decode gives.

What makes tiles differ from the whole is what they cannot see: pixels beyond their edges, of which every convolution
reads one more row, and the mean and variance of the whole picture, by which every group norm divides. So no tile runs
through the decoder by itself. The layers go one after the other over the whole picture, each of them tile by tile: a
tile is read with the margin that its convolution needs, and what it writes is counted towards the statistics that the
next norm will ask for. The result is that of the whole decode up to rounding, seams included, and no pixel is computed
twice but for the margins.

The middle of the decoder, with its attention, works at an eighth of the picture's sides and runs whole. Between layers
a picture's activations wait in the machine's memory; the device holds one tile of them at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.unets.unet_2d_blocks import UpDecoderBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor
from torch.nn import Conv2d, GroupNorm
from torch.nn import functional as F

from easel.core.errors import Unsupported
from easel.models.edges import wrapped_axes

Box = tuple[int, int, int, int]  # top, bottom, left, right
Layer = Callable[[Tensor], Tensor]
Then = Callable[[Box, Tensor], Tensor]


class Plane:
    """The activations of one picture between two layers, (1, channels, height, width), and their statistics.

    Channels lie together in memory, as convolutions read them.
    tile: (height, width) of the boxes in which it is read and written. device: where the work is done.
    """

    def __init__(self, data: Tensor, tile: tuple[int, int], device: torch.device) -> None:
        self.data = data
        self.tile = tile
        self.device = device
        self.counted = 0
        self.means = torch.zeros(data.shape[1], dtype=torch.float64)
        self.squares = torch.zeros(data.shape[1], dtype=torch.float64)

    @staticmethod
    def of(whole: Tensor, tile: tuple[int, int]) -> Plane:
        """Return the plane of activations (1, channels, height, width) that are there."""
        plane = Plane(whole.to("cpu").contiguous(memory_format=torch.channels_last), tile, whole.device)
        for box in plane.boxes():
            plane.count(plane.at(box))
        return plane

    def like(self, channels: int, scale: int = 1) -> Plane:
        """Return an empty plane of so many channels, `scale` times as large."""
        height, width = self.data.shape[2] * scale, self.data.shape[3] * scale
        data = torch.empty((1, channels, height, width), dtype=self.data.dtype, memory_format=torch.channels_last)
        return Plane(data, (self.tile[0] * scale, self.tile[1] * scale), self.device)

    def boxes(self) -> Iterator[Box]:
        """Yield the tiles, row by row."""
        height, width = self.data.shape[2:]
        for top in range(0, height, self.tile[0]):
            for left in range(0, width, self.tile[1]):
                yield top, min(top + self.tile[0], height), left, min(left + self.tile[1], width)

    def at(self, box: Box) -> Tensor:
        """Return what stands in a box, (1, channels, h, w) on the device."""
        top, bottom, left, right = box
        return self.data[:, :, top:bottom, left:right].to(self.device)

    def write(self, box: Box, values: Tensor) -> None:
        """Keep what a layer gave for a box, (1, channels, h, w), and count it."""
        top, bottom, left, right = box
        self.data[:, :, top:bottom, left:right] = values.to("cpu")
        self.count(values)

    def over(self, channels: int) -> Plane:
        """Return a plane of so many channels to write over this one box by box, in its memory where they fit."""
        if channels > self.data.shape[1]:
            return self.like(channels)
        return Plane(self.data[:, :channels], self.tile, self.device)

    def compact(self) -> Plane:
        """Return this plane in no more memory than it needs."""
        if self.data.untyped_storage().nbytes() > self.data.numel() * self.data.element_size():
            self.data = self.data.clone(memory_format=torch.channels_last)
        return self

    def count(self, values: Tensor) -> None:
        """Take a part, (1, channels, h, w), into the statistics: Chan, Golub and LeVeque 1979, pairwise updating."""
        variance, mean = torch.var_mean(values[0].to(torch.float32), dim=(1, 2), correction=0)
        variance, mean = variance.to("cpu", torch.float64), mean.to("cpu", torch.float64)
        n = values.shape[2] * values.shape[3]
        total = self.counted + n
        away = mean - self.means
        if not self.counted:
            self.means, self.squares = mean, variance * n
        else:
            self.squares = self.squares + variance * n + away.square() * (self.counted * n / total)
            self.means = self.means + away * (n / total)
        self.counted = total

    def normed_by(self, norm: GroupNorm) -> Layer:
        """Return what `norm` does with this whole plane, as a layer for any part of it."""
        groups = norm.num_groups
        means = self.means.reshape(groups, -1)
        mean = means.mean(1, keepdim=True)
        spread = (means - mean).square().mean(1) + self.squares.reshape(groups, -1).mean(1) / self.counted
        scale = ((spread + norm.eps).rsqrt()[:, None].expand_as(means).reshape(-1)).to(self.device, torch.float32)
        shift = mean.expand_as(means).reshape(-1).to(self.device, torch.float32)
        weight = scale * norm.weight.float()
        bias = norm.bias.float() - shift * weight
        return lambda x: torch.addcmul(bias[:, None, None], x.float(), weight[:, None, None]).to(x.dtype)


@dataclass(frozen=True, slots=True)
class Margins:
    """How many rows and columns around a box stand in the plane (the rest is beyond the picture): 1 or 0 each."""

    top: int
    bottom: int
    left: int
    right: int


def around(plane: Plane, box: Box, wrap: str) -> tuple[Tensor, Margins]:
    """Return a box with one row and column more on each side, as far as the picture goes; in `wrap` it goes around."""
    height, width = plane.data.shape[2:]
    top, bottom, left, right = box
    tall, wide = "y" in wrap, "x" in wrap
    margins = Margins(tall or top > 0, tall or bottom < height, wide or left > 0, wide or right < width)
    rows = range(top - margins.top, bottom + margins.bottom)
    columns = range(left - margins.left, right + margins.right)
    if rows.start >= 0 and rows.stop <= height and columns.start >= 0 and columns.stop <= width:
        return plane.at((rows.start, rows.stop, columns.start, columns.stop)), margins
    picked = plane.data[:, :, [row % height for row in rows]][..., [column % width for column in columns]]
    return picked.to(plane.device), margins


def convolved(conv: Conv2d, x: Tensor, margins: Margins, *, grown: int = 1) -> Tensor:
    """Return a 3x3 convolution of a box; x: the box with its margins, each `grown` rows or columns where there are any.

    Beyond the picture it sees zeros, as it does when it runs whole.
    """
    sides = (margins.left, margins.right, margins.top, margins.bottom)
    pads = [1 - side * grown for side in sides]  # a margin grown to two is one too many
    margined = conv.padding
    conv.padding = (0, 0)
    try:
        return conv._conv_forward(F.pad(x, pads), conv.weight, conv.bias)
    finally:
        conv.padding = margined


def through(x: Plane, out: Plane, norm: GroupNorm, act: Layer, conv: Conv2d, then: Then) -> None:
    """Write to `out` what `then` makes, box by box, of a plane normed, activated and convolved."""
    normed, wrap = x.normed_by(norm), wrapped_axes(conv)
    for box in x.boxes():
        part, margins = around(x, box, wrap)
        out.write(box, then(box, convolved(conv, act(normed(part)), margins)))


def resnet(block: Any, x: Plane) -> Plane:
    """Return a residual block of a plane, which is written over."""

    def added(box: Box, change: Tensor) -> Tensor:
        kept = x.at(box)
        kept = kept if block.conv_shortcut is None else block.conv_shortcut(kept)
        return (kept + change) / block.output_scale_factor

    hidden = x.like(block.conv1.out_channels)
    through(x, hidden, block.norm1, block.nonlinearity, block.conv1, lambda box, values: values)
    out = x.over(block.conv2.out_channels)
    through(hidden, out, block.norm2, block.nonlinearity, block.conv2, added)
    del hidden  # before the copy that compact() makes
    return out.compact()


def upsampled(layer: Any, x: Plane) -> Plane:
    """Return a plane with each pixel doubled and convolved."""
    out, wrap = x.like(layer.conv.out_channels, 2), wrapped_axes(layer.conv)
    for box in x.boxes():
        part, margins = around(x, box, wrap)
        doubled = F.interpolate(part, scale_factor=2.0, mode="nearest")
        top, bottom, left, right = box
        out.write((2 * top, 2 * bottom, 2 * left, 2 * right), convolved(layer.conv, doubled, margins, grown=2))
    return out


def finished(decoder: Any, x: Plane) -> Tensor:
    """Return the pixels (channels, height, width) of the decoder's last plane, on the processor."""
    pixels = x.like(decoder.conv_out.out_channels)
    through(x, pixels, decoder.conv_norm_out, decoder.conv_act, decoder.conv_out, lambda box, values: values)
    return pixels.data[0]


def check_decoder(decoder: Any) -> None:
    """Raise Unsupported for a decoder with layers that cannot be told tile by tile."""
    layers = [decoder.conv_norm_out, *decoder.up_blocks]
    for block in decoder.up_blocks:
        layers += [*block.resnets, *(block.upsamplers or ())]
    for layer in layers:
        if not isinstance(layer, (UpDecoderBlock2D, ResnetBlock2D, Upsample2D, GroupNorm)):
            kind = type(layer).__name__
            raise Unsupported(f"this autoencoder's {kind} cannot decode in tiles; leave out tiled_decode.")


def decode_tiled(vae: Any, z: Tensor, tile: int) -> Tensor:
    """Return what the autoencoder `vae` makes of latents z (n, channels, height, width), on the processor.

    z: as the decoder reads it, on its device. tile: in latent cells, the side of the tiles. Raises Unsupported.
    """
    decoder = vae.decoder
    check_decoder(decoder)
    pictures: list[Tensor] = []
    for one in z.split(1):
        middle = vae.post_quant_conv(one) if vae.post_quant_conv is not None else one
        x = Plane.of(decoder.mid_block(decoder.conv_in(middle)), (tile, tile))
        for block in decoder.up_blocks:
            for layer in block.resnets:
                x = resnet(layer, x)
            for layer in block.upsamplers or ():
                x = upsampled(layer, x)
        pictures.append(finished(decoder, x))
    return torch.stack(pictures)
