"""Convolutions that keep their weight a second time, laid out as the processor's library reads it.

Else it is laid out anew at every forward, which takes the more of it the smaller the picture is: a twentieth of a step
of Stable Diffusion 1.5 at 512x512. The weight itself stays where networks, merging and hashing look for it; one that is
put in its place is laid out when it is first used. Knows layers; knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

SPARE = 4  # laid out where the memory that is free is so many times what that takes


@dataclass(frozen=True, slots=True, eq=False)
class LaidOut:
    """A weight in the library's layout. weight: what it was made of, held so that nothing else gets its place."""

    weight: Tensor
    padding: Any
    tensor: Tensor

    def is_of(self, weight: Tensor, padding: Any) -> bool:
        """Return whether it was made of this weight."""
        return self.weight.data_ptr() == weight.data_ptr() and self.padding == padding


class ReadyConv2d(nn.Conv2d):
    """A convolution that lays its weight out once; the same numbers as torch's, bit for bit."""

    laid: LaidOut | None

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the convolution of (n, in, height, width)."""
        halves = input.dtype == weight.dtype == torch.bfloat16 and input.device.type == weight.device.type == "cpu"
        if not halves or self.padding_mode != "zeros" or isinstance(self.padding, str) or torch.is_grad_enabled():
            return super()._conv_forward(input, weight, bias)
        shape = (self.padding, self.stride, self.dilation, self.groups)
        if self.laid is None or not self.laid.is_of(weight, self.padding):
            lay_out: Any = torch.ops.mkldnn._reorder_convolution_weight
            self.laid = LaidOut(weight.detach(), self.padding, lay_out(weight, *shape, input.shape))
        convolve: Any = torch.ops.mkldnn._convolution_pointwise  # what torch.compile makes of a convolution
        return convolve(input, self.laid.tensor, bias, *shape, "none", [], "")


def make_ready(part: nn.Module, free: int) -> None:
    """Let the convolutions of a part of a model lay their weights out once, where memory is plenty. free: bytes."""
    convolutions = [module for module in part.modules() if type(module) is nn.Conv2d]
    if sum(conv.weight.nbytes for conv in convolutions) * SPARE > free:
        return
    for conv in convolutions:
        made = cast(Any, conv)
        made.__class__, made.laid = ReadyConv2d, None


def laid_out(part: nn.Module) -> int:
    """Return the bytes that second layouts take in a part of a model."""
    ready = (module for module in part.modules() if isinstance(module, ReadyConv2d))
    return sum(conv.laid.weight.nbytes for conv in ready if conv.laid is not None)
