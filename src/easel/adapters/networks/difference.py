"""Whole differences: of a layer's weight, of a norm's, of a bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from easel.adapters.networks.change import Spans, columns, exact, some_rows


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """W + difference, of the weight's shape or one that holds the same rows."""

    difference: Tensor

    def fits(self, shape: Sequence[int]) -> bool:
        """See Change."""
        return self.difference.shape[0] == shape[0] and columns(self.difference.shape) == columns(shape)

    def changed(self, weight: Tensor, strength: float) -> Tensor:
        """See Change."""
        return weight.add(exact(self.difference, weight).reshape(weight.shape), alpha=strength)

    def rows(self, spans: Spans) -> Difference:
        """See Change."""
        return Difference(some_rows(self.difference, spans))


def difference(tensors: Mapping[str, Tensor], alpha: float | None) -> Difference:
    """Return the change of a layer's whole weight; no alpha counts."""
    return Difference(tensors["diff"])


def norm(tensors: Mapping[str, Tensor], alpha: float | None) -> Difference:
    """Return the change of a norm's weight; no alpha counts."""
    return Difference(tensors["w_norm"])
