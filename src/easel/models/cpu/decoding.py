"""Decoders on a processor: products in bfloat16, all between them in float32.

A whole decode in bfloat16 rounds what blocks hand on, alike over a plain background, which then shows bands. Here only
the convolutions within residual blocks round, so that a float32 sum takes a rounded change, and those after a doubling
of pixels, which are too dear for more and stray little. First, last and shortcuts' convolutions are float32. Knows
layers, plain ones and those that keep their weight packed; knows no latents.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

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


def halve(decoder: nn.Module) -> None:
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
