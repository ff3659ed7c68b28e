"""Layers that keep a packed weight and make full numbers of it at each forward, so that memory stays low.

torch's own Linear, Conv2d and Embedding, whose `weight` is computed when it is asked for. Knows no files.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from easel.models.files.packed import Packed

HELD = "packed_"  # how the buffers of a layer are called that hold its packed weight


class Keeping(nn.Module):
    """A layer with a packed weight, its tensors held in buffers.

    packing: its kind and the shape of the weight; numbers: the format of forwards.
    """

    packing: tuple[str, tuple[int, ...]]
    numbers: torch.dtype

    @property
    def weight(self) -> Tensor:
        """The weight in full numbers, made anew each time."""
        return unpacked_weight(self)


class PackedLinear(Keeping, nn.Linear):
    """A Linear with a packed weight."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the product, (..., outputs)."""
        return F.linear(input, unpacked_weight(self), self.bias)


class AskedLinear(PackedLinear):
    """A PackedLinear whose model looks at `weight` for its format before each forward: one without numbers."""

    @property
    def weight(self) -> Tensor:
        """A tensor of the weight's shape and format that takes no memory and holds nothing."""
        return torch.empty(self.packing[1], dtype=self.numbers, device="meta")


class PackedConv2d(Keeping, nn.Conv2d):
    """A Conv2d with a packed weight."""


class PackedEmbedding(Keeping, nn.Embedding):
    """An Embedding with a packed table, of which a forward unpacks the rows that it needs."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the rows of `input`, (*input.shape, width)."""
        return packed_of(self).picked(input, self.numbers)


KEEPING: dict[type[nn.Module], type[Keeping]] = {
    nn.Linear: PackedLinear,
    nn.Conv2d: PackedConv2d,
    nn.Embedding: PackedEmbedding,
}


def keeps(layer: nn.Module) -> bool:
    """Return whether a layer can keep its weight packed: torch's own classes only, whose forward is known."""
    return type(layer) in KEEPING


def keep(layer: nn.Module, packed: Packed, dtype: torch.dtype) -> None:
    """Give a layer a packed weight in place of the one that it has; dtype: the format of its forwards.

    The layer stays the same object and becomes of the class that keeps, as torch's own parametrisation does it.
    """
    made = cast(Any, layer)
    made.__class__ = KEEPING[type(layer)]
    del made._parameters["weight"]
    made.packing, made.numbers = (packed.kind, packed.shape), dtype
    for name, tensor in packed.tensors.items():
        made.register_buffer(HELD + name, tensor)


def expect_asking(layer: nn.Module) -> None:
    """Let a Linear that keeps a packed weight be asked for the weight's format without unpacking it; others stay."""
    if type(layer) is PackedLinear:
        cast(Any, layer).__class__ = AskedLinear


def packed_of(layer: Keeping) -> Packed:
    """Return the packed weight of a layer that keeps one."""
    kind, shape = layer.packing
    held = {name.removeprefix(HELD): tensor for name, tensor in layer.named_buffers(recurse=False)}
    return Packed(kind, shape, held)


def unpacked_weight(layer: nn.Module) -> Tensor:
    """Return a layer's weight in full numbers, whichever way it is kept; the layer's own where it is full."""
    if isinstance(layer, Keeping):
        return packed_of(layer).unpacked(layer.numbers)
    return cast(Tensor, layer.weight)
