"""IA3: every input or every output of a layer scaled by a number of its own. Liu et al. 2022, arXiv:2205.05638."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from easel.adapters.networks.change import Spans, exact, some_rows


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """W * (1 + factors), along the inputs or along the outputs. factors: (in,) or (out,). A bias is not scaled."""

    factors: Tensor
    on_input: bool

    def fits(self, shape: Sequence[int]) -> bool:
        """See Change."""
        return len(shape) > 1 and self.factors.shape[0] == shape[1 if self.on_input else 0]

    def changed(self, weight: Tensor, strength: float) -> Tensor:
        """See Change."""
        sides = [1] * weight.ndim
        sides[1 if self.on_input else 0] = -1
        return weight * (1 + strength * exact(self.factors, weight).reshape(sides))

    def rows(self, spans: Spans) -> Scaling:
        """See Change."""
        return self if self.on_input else Scaling(some_rows(self.factors, spans), False)


def scaling(tensors: Mapping[str, Tensor], alpha: float | None) -> Scaling:
    """Return the change of LyCORIS' tensors: weight, counted from 0, and the mark on_input; no alpha counts."""
    return Scaling(tensors["weight"].flatten(), bool(tensors["on_input"].item()))


def peft_scaling(tensors: Mapping[str, Tensor], alpha: float | None) -> Scaling:
    """Return the change of peft's tensor, counted from 1: (1, in) scales inputs, (out, 1) outputs."""
    factors = tensors["ia3_l"]
    return Scaling(factors.flatten().float() - 1, factors.shape[0] == 1)
