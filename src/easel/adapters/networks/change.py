"""What every kind of network is: a change of one layer's weight, for a strength.

A kind is one file beside this one. It knows its tensors and the weight it is given; it knows no files and no modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

Spans = Sequence[tuple[int, int]]  # rows of a weight: first and one past the last, in the order they are wanted


class Change(Protocol):
    """What a network does to one layer. All arithmetic is in float32, on the device of the weight."""

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether a weight of this shape, (out, in, ...), can be changed so."""
        ...

    def changed(self, weight: Tensor, strength: float) -> Tensor:
        """Return a new weight: `weight`, float32, with this at a strength. 1 is what was trained."""
        ...

    def rows(self, spans: Spans) -> Change | None:
        """Return the change of some rows of the weight alone, None where rows cannot be told apart."""
        ...


def exact(tensor: Tensor, like: Tensor) -> Tensor:
    """Return a tensor in float32 on the device of another."""
    return tensor.to(like.device, torch.float32)


def matrix(tensor: Tensor) -> Tensor:
    """Return a tensor as (first axis, all others)."""
    return tensor.reshape(tensor.shape[0], -1)


def some_rows(tensor: Tensor, spans: Spans) -> Tensor:
    """Return rows of a tensor in the order of `spans`."""
    return torch.cat([tensor[first:end] for first, end in spans])


def columns(shape: Sequence[int]) -> int:
    """Return how many numbers make one output of a weight of this shape."""
    product = 1
    for size in shape[1:]:
        product *= size
    return product
