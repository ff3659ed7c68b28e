"""LoKr: a weight plus a Kronecker product of a small and a larger matrix. Yeh et al. 2023, arXiv:2309.14859."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from easel.adapters.networks.change import Spans, columns, exact, matrix
from easel.adapters.networks.difference import Difference


@dataclass(frozen=True, slots=True, eq=False)
class Kronecker:
    """W + scale * (small ⊗ large). small: (out 1, in 1); large: (out 2, in 2 times the kernel's numbers)."""

    small: Tensor
    large: Tensor
    scale: float

    def fits(self, shape: Sequence[int]) -> bool:
        """See Change."""
        small, large = self.small.shape, self.large.shape
        return small[0] * large[0] == shape[0] and small[1] * large[1] == columns(shape)

    def changed(self, weight: Tensor, strength: float) -> Tensor:
        """See Change."""
        product = torch.kron(exact(self.small, weight), exact(self.large, weight))
        return weight + product.mul_(self.scale * strength).reshape(weight.shape)

    def rows(self, spans: Spans) -> Difference:
        """See Change. Rows of a Kronecker product are no such product, so the whole of it is written out."""
        product = torch.kron(self.small.float(), self.large.float()) * self.scale
        return Difference(product).rows(spans)


def kronecker(tensors: Mapping[str, Tensor], alpha: float | None) -> Kronecker:
    """Return the change of tensors by role: lokr_w1 and lokr_w2, each whole or as _a and _b, with lokr_t2 for Tucker's.

    Two whole matrices have no rank, and so no alpha counts.
    """
    thin = [tensors[name].shape[0] for name in ("lokr_w1_b", "lokr_w2_b") if name in tensors]
    scale = alpha / thin[-1] if thin and alpha is not None else 1.0
    return Kronecker(matrix(half(tensors, "1")), matrix(half(tensors, "2")), scale)


def half(tensors: Mapping[str, Tensor], number: str) -> Tensor:
    """Return one of the two matrices, (out, in, ...)."""
    if (whole := tensors.get(f"lokr_w{number}")) is not None:
        return whole
    a, b = tensors[f"lokr_w{number}_a"].float(), tensors[f"lokr_w{number}_b"].float()
    if (core := tensors.get(f"lokr_t{number}")) is not None:
        return torch.einsum("ij...,ip,jr->pr...", core.float(), a, b)
    return (a @ matrix(b)).reshape(a.shape[0], *b.shape[1:])
