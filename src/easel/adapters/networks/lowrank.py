"""LoRA and LoCon: a weight plus a product of two thin matrices. Hu et al. 2021, arXiv:2106.09685.

The one kind that single rows of a batch can wear at the price of two thin products; see rows.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from easel.adapters.networks.change import Spans, columns, exact, matrix, some_rows


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """W + scale * up @ down. down: (rank, in, ...) as the layer's kernel has it; up: (out, rank)."""

    down: Tensor
    up: Tensor
    scale: float

    def fits(self, shape: Sequence[int]) -> bool:
        """See Change."""
        inner = self.down.shape[0] == self.up.shape[1]
        return inner and self.up.shape[0] == shape[0] and columns(self.down.shape) == columns(shape)

    def changed(self, weight: Tensor, strength: float) -> Tensor:
        """See Change."""
        up, down = exact(self.up, weight), exact(matrix(self.down), weight)
        return torch.addmm(matrix(weight), up, down, alpha=self.scale * strength).reshape(weight.shape)

    def rows(self, spans: Spans) -> LowRank:
        """See Change."""
        return replace(self, up=some_rows(self.up, spans))

    def shortened(self, rank: int) -> LowRank:
        """Return this with its first `rank` ranks alone, at the same scale, as networks trained for it allow."""
        return replace(self, down=self.down[:rank], up=self.up[:, :rank])


def low_rank(tensors: Mapping[str, Tensor], alpha: float | None) -> LowRank:
    """Return the change of tensors by role: down, up, and `mid` of a Tucker decomposition, folded into down."""
    down, up = tensors["down"], matrix(tensors["up"])
    scale = 1.0 if alpha is None else alpha / down.shape[0]
    if "mid" in tensors:
        mid = tensors["mid"]
        down = torch.einsum("mn...,nj->mj...", mid.float(), matrix(down).float()).to(down.dtype)
    return LowRank(down, up, scale)
