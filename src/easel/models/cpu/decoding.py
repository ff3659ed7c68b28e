"""Decoders on a processor: products in bfloat16, all between them in float32.

A whole decode in bfloat16 rounds what blocks hand on, alike over a plain background, which then shows bands. Here only
the convolutions within residual blocks round, so that a float32 sum takes a rounded change, and those after a doubling
of pixels, which are too dear for more and stray little. First, last and shortcuts' convolutions are float32. Where our
kernels are (models/cpu/kernels.py), norms give the next convolution what it reads and what is added is added in place,
so that a large picture is not written anew at each of their steps. Knows layers, plain ones and those that keep their
weight packed; knows no latents.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn
from torch.nn import functional as F

from easel.models.cpu.blocks import block_by, can, is_ours, normed, together
from easel.models.cpu.kernels import HALF, Kernels, kernels
from easel.models.files.packed_layers import PackedConv2d


class HalfConv2d(nn.Conv2d):
    """A convolution whose products are bfloat16; it reads and gives what its neighbours do."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the convolution of (n, in, height, width) in the numbers of `input`."""
        half = torch.bfloat16
        bias = None if bias is None else bias.to(half)
        return super()._conv_forward(input.to(half), weight.to(half), bias).to(input.dtype)


class HalfPackedConv2d(HalfConv2d, PackedConv2d):
    """The same with a packed weight."""


HALVED: dict[type[nn.Module], type[nn.Module]] = {nn.Conv2d: HalfConv2d, PackedConv2d: HalfPackedConv2d}


class OwnDecoderBlock(ResnetBlock2D):
    """A residual block between float32 pictures whose convolutions read and give bfloat16."""

    kernels: Kernels

    def forward(self, input_tensor: Tensor, temb: Tensor | None, *args: Any, **kwargs: Any) -> Tensor:
        """Return (n, out, height, width) of x (n, in, height, width), in x's own memory where out is in."""
        x = together(input_tensor)
        halved = isinstance(self.conv1, HalfConv2d) and isinstance(self.conv2, HalfConv2d)
        if temb is not None or x.dtype != torch.float32 or not halved or not can(self, x):
            return super().forward(input_tensor, cast(Any, temb), *args, **kwargs)
        hidden = self.conv1(normed(self.kernels, self.norm1, x))
        hidden = self.conv2(normed(self.kernels, self.norm2, hidden))
        return self.kernels.add(x if self.conv_shortcut is None else together(self.conv_shortcut(x)), together(hidden))


class OwnUpsample(Upsample2D):
    """A doubling of pixels that are rounded before they are doubled and not after."""

    def forward(self, hidden_states: Tensor, output_size: int | None = None, *args: Any, **kwargs: Any) -> Tensor:
        """Return (n, channels, 2 * height, 2 * width) of (n, channels, height, width), float32 both."""
        usual = self.use_conv and not self.use_conv_transpose and self.interpolate and self.norm is None
        if not usual or output_size is not None or not isinstance(self.conv, HalfConv2d):
            return super().forward(hidden_states, output_size, *args, **kwargs)
        return self.conv(F.interpolate(hidden_states.to(HALF), scale_factor=2.0, mode="nearest")).float()


class OwnNorm(nn.GroupNorm):
    """A norm of float32 pictures."""

    kernels: Kernels

    def forward(self, input: Tensor) -> Tensor:
        """Return norm(x), float32, shaped as x."""
        if not self.kernels.takes_norm(input):
            return super().forward(input)
        given = (self.num_groups, self.weight, self.bias, self.eps)
        return self.kernels.norm(input, *given, dtype=torch.float32, swish=False)


def halve(decoder: Any) -> None:
    """Let a decoder's convolutions within blocks and after doublings multiply in bfloat16; weights stay as they are."""
    for block in decoder.modules():
        convs: tuple[Any, ...] = ()
        if isinstance(block, ResnetBlock2D):
            convs = (block.conv1, block.conv2)
        elif isinstance(block, Upsample2D):
            convs = (block.conv,)
        for conv in convs:
            if type(conv) in HALVED:
                conv.__class__ = HALVED[type(conv)]
    own = kernels()
    if own is not None:
        use(own, decoder)


def use(kernels: Kernels, decoder: Any) -> None:
    """Let a decoder whose convolutions are halved compute what stands between them with our kernels."""
    block_by(decoder, kernels, OwnDecoderBlock)
    for module in decoder.modules():
        if type(module) is Upsample2D:
            module.__class__ = OwnUpsample  # type: ignore[assignment]
    last: Any = decoder.conv_norm_out
    if is_ours(kernels, last):
        last.__class__, last.kernels = OwnNorm, kernels
    if type(decoder.conv_act) is nn.SiLU:
        decoder.conv_act.inplace = True  # of what the norm before it has just made
