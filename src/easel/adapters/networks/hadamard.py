"""LoHa: a weight plus the elementwise product of two low-rank matrices. Hyeon-Woo et al. 2022, arXiv:2108.06098."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from easel.adapters.networks.change import Spans, columns, exact, matrix, some_rows

Factors = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Hadamard:
    """W + scale * (a1 @ b1) * (a2 @ b2), each side a: (out, rank) and b: (rank, in, ...)."""

    sides: tuple[Factors, Factors]
    scale: float

    def fits(self, shape: Sequence[int]) -> bool:
        """See Change."""
        return all(
            a.shape[1] == b.shape[0] and a.shape[0] == shape[0] and columns(b.shape) == columns(shape)
            for a, b in self.sides
        )

    def changed(self, weight: Tensor, strength: float) -> Tensor:
        """See Change."""
        first, second = (exact(a, weight) @ exact(matrix(b), weight) for a, b in self.sides)
        return weight + (first * second).mul_(self.scale * strength).reshape(weight.shape)

    def rows(self, spans: Spans) -> Hadamard:
        """See Change."""
        (a1, b1), (a2, b2) = self.sides
        return replace(self, sides=((some_rows(a1, spans), b1), (some_rows(a2, spans), b2)))


def hadamard(tensors: Mapping[str, Tensor], alpha: float | None) -> Hadamard:
    """Return the change of tensors by role; with hada_t1 and hada_t2 each side is a Tucker decomposition."""
    rank = tensors["hada_w1_b"].shape[0]
    sides = side(tensors, "1"), side(tensors, "2")
    return Hadamard(sides, 1.0 if alpha is None else alpha / rank)


def side(tensors: Mapping[str, Tensor], number: str) -> Factors:
    """Return one of the two products as a thin pair."""
    a, b = tensors[f"hada_w{number}_a"], tensors[f"hada_w{number}_b"]
    if (core := tensors.get(f"hada_t{number}")) is None:
        return a, b
    return a.T, torch.einsum("ij...,jr->ir...", core.float(), b.float()).to(b.dtype)
