"""diffusers' residual blocks with our norms: a norm, its SiLU and the step's embedding in one, in the next's format.

Whatever looks at a norm within (a hook, another class) has the block compute as diffusers does. Knows no model.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from easel.models.cpu.kernels import HALF, Kernels


class OwnBlock(ResnetBlock2D):
    """A residual block in bfloat16; rounds less often than diffusers' own."""

    kernels: Kernels

    def forward(self, input_tensor: Tensor, temb: Tensor | None, *args: Any, **kwargs: Any) -> Tensor:
        """Return (n, out, height, width) of x (n, in, height, width); temb: (n, width), the step's embedding."""
        if input_tensor.dtype != HALF or not can(self, input_tensor):
            return super().forward(input_tensor, cast(Any, temb), *args, **kwargs)
        hidden = self.conv1(normed(self.kernels, self.norm1, input_tensor))
        step = None if temb is None else self.time_emb_proj(self.nonlinearity(temb))  # type: ignore[misc]
        hidden = self.conv2(normed(self.kernels, self.norm2, hidden, step))
        return hidden.add_(input_tensor if self.conv_shortcut is None else self.conv_shortcut(input_tensor))


def normed(kernels: Kernels, norm: nn.GroupNorm, x: Tensor, added: Tensor | None = None) -> Tensor:
    """Return silu(norm(x + added)) in bfloat16; added: (n, channels)."""
    return kernels.norm(together(x), norm.num_groups, norm.weight, norm.bias, norm.eps, dtype=HALF, added=added)


def together(x: Tensor) -> Tensor:
    """Return a picture with its channels together in memory, as its layers may not have left it."""
    return x.contiguous(memory_format=torch.channels_last)


def can(block: Any, x: Tensor) -> bool:
    """Return whether a block is one of the usual kind, seen by nobody within, and our norms are for its pictures."""
    usual = block.upsample is None and block.downsample is None and block.time_embedding_norm != "scale_shift"
    plain = block.output_scale_factor == 1 and not block.training and not block.skip_time_act
    known = type(block.nonlinearity) is nn.SiLU and all(
        is_ours(block.kernels, norm) for norm in (block.norm1, block.norm2)
    )
    return usual and plain and known and block.kernels.takes_norm(x)


def is_ours(kernels: Kernels, norm: nn.Module) -> bool:
    """Return whether our norm can stand for one: torch's own, with weights, and nobody listens to its forwards."""
    if type(norm) is not nn.GroupNorm or not norm.affine or norm._forward_hooks or norm._forward_pre_hooks:
        return False
    return kernels.takes_channels(norm.num_channels, norm.num_groups)


def block_by(part: nn.Module, kernels: Kernels, own: type[ResnetBlock2D] = OwnBlock) -> None:
    """Let the residual blocks of a part of a model compute with our norms."""
    for module in part.modules():
        if type(module) is ResnetBlock2D:
            cast(Any, module).__class__ = own
            cast(Any, module).kernels = kernels
