"""Residual blocks and norms that learn with our kernels on processor cores, where torch's norms are slow backwards.

A layer stays the same object with the same weights and becomes of another class, so that names and checkpoints stay.
Whatever the kernels are not for is computed by diffusers and torch. Knows no model and no loss.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from easel.models.cpu.kernels import HALF, Kernels, kernels

Part = TypeVar("Part", bound=nn.Module)


class Normed(torch.autograd.Function):
    """The group norm of x + added, its SiLU where `swish`, of a bfloat16 picture whose channels lie together."""

    @staticmethod
    def forward(
        ctx: Any, own: Kernels, norm: nn.GroupNorm, swish: bool, x: Tensor, added: Tensor | None, *learned: Tensor
    ) -> Tensor:
        """Return (n, channels, height, width); learned: the norm's weight and bias."""
        ctx.own, ctx.rest = own, (norm.num_groups, norm.eps, swish)
        ctx.save_for_backward(x, added, *learned)
        return own.norm(x, norm.num_groups, *learned, norm.eps, dtype=HALF, added=added, swish=swish)

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> Any:
        """Return the gradients of x, added, weight and bias."""
        x, added, weight, bias = ctx.saved_tensors
        groups, epsilon, swish = ctx.rest
        asked = given[0].to(HALF).contiguous(memory_format=torch.channels_last)
        by = ctx.own.norm_back(asked, x, groups, weight, bias, epsilon, added=added, swish=swish)
        return None, None, None, by[0], None if added is None else by[1].to(added.dtype), by[2], by[3]


class OwnNorm(nn.GroupNorm):
    """A group norm by our kernels where they are for its picture."""

    kernels: Kernels

    def forward(self, input: Tensor) -> Tensor:
        """Return (n, channels, height, width) of a picture shaped likewise."""
        return normed(self, input) if self.takes(input) else super().forward(input)

    def takes(self, x: Tensor) -> bool:
        """Return whether the kernels are for a picture."""
        here = x.device.type == "cpu" and x.dtype == HALF and x.ndim == 4
        return here and self.kernels.takes_channels(self.num_channels, self.num_groups)


class OwnBlock(ResnetBlock2D):
    """A residual block of the usual kind whose norms take the step's embedding and SiLU along."""

    def forward(self, input_tensor: Tensor, temb: Tensor | None, *args: Any, **kwargs: Any) -> Tensor:
        """Return (n, out, height, width) of x (n, in, height, width); temb: (n, width), the step's embedding."""
        first, second = cast(OwnNorm, self.norm1), cast(OwnNorm, self.norm2)
        if not first.takes(input_tensor) or not second.takes(input_tensor):
            return super().forward(input_tensor, cast(Any, temb), *args, **kwargs)
        hidden = self.conv1(normed(first, input_tensor, swish=True))
        step = None if temb is None else self.time_emb_proj(self.nonlinearity(temb))  # type: ignore[misc]
        hidden = self.conv2(self.dropout(normed(second, hidden, step, swish=True)))
        return hidden + (input_tensor if self.conv_shortcut is None else self.conv_shortcut(input_tensor))


def normed(norm: OwnNorm, x: Tensor, added: Tensor | None = None, *, swish: bool = False) -> Tensor:
    """Return the norm of x + added, its SiLU where `swish`; added: (n, channels)."""
    together = x.contiguous(memory_format=torch.channels_last)
    result: Any = Normed.apply(norm.kernels, norm, swish, together, added, norm.weight, norm.bias)
    return result


def swift(part: Part) -> Part:
    """Let the norms and residual blocks of a part learn by our kernels, where this machine has them."""
    own = kernels()
    if own is None:
        return part
    for module in part.modules():
        if type(module) is nn.GroupNorm and module.affine:
            cast(Any, module).__class__ = OwnNorm
            cast(Any, module).kernels = own
    for module in part.modules():
        if type(module) is ResnetBlock2D and is_usual(module):
            cast(Any, module).__class__ = OwnBlock
    return part


def is_usual(block: Any) -> bool:
    """Return whether a residual block is of the kind that Stable Diffusion's U-Net and autoencoder have."""
    plain = block.upsample is None and block.downsample is None and block.output_scale_factor == 1
    heard = block.time_embedding_norm != "scale_shift" and not block.skip_time_act
    return plain and heard and type(block.nonlinearity) is nn.SiLU and type(block.norm1) is OwnNorm
