"""GLoRA: a low-rank change, part of which goes through the weight itself. Chavan et al. 2023, arXiv:2306.07967."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from easel.adapters.networks.change import Spans, columns, exact, matrix, some_rows


@dataclass(frozen=True, slots=True, eq=False)
class Generalised:
    """W + scale * (W @ wide @ thin + up @ down); wide: (in, rank), thin: (rank, in), up: (out, rank)."""

    wide: Tensor
    thin: Tensor
    up: Tensor
    down: Tensor
    scale: float

    def fits(self, shape: Sequence[int]) -> bool:
        """See Change."""
        inputs = len(shape) > 1 and self.wide.shape[0] == self.thin.shape[1] == shape[1]
        return inputs and self.up.shape[0] == shape[0] and columns(self.down.shape) == columns(shape)

    def changed(self, weight: Tensor, strength: float) -> Tensor:
        """See Change."""
        through = torch.einsum("oi...,ir->or...", weight, exact(self.wide, weight))
        through = torch.einsum("or...,ri->oi...", through, exact(self.thin, weight))
        added = (exact(self.up, weight) @ exact(matrix(self.down), weight)).reshape(weight.shape)
        return weight.add(through + added, alpha=self.scale * strength)

    def rows(self, spans: Spans) -> Generalised:
        """See Change."""
        return replace(self, up=some_rows(self.up, spans))


def generalised(tensors: Mapping[str, Tensor], alpha: float | None) -> Generalised:
    """Return the change of tensors by role: a1, a2, b1, b2, and bm of a Tucker decomposition.

    LyCORIS has changed which of a pair is called 1; the thinner side tells.
    """
    first, second = matrix(tensors["a1"]), matrix(tensors["a2"])
    up, down = tensors["b1"], tensors["b2"]
    if first.shape[0] < first.shape[1]:
        first, second, up, down = second, first, down, up
    rank = second.shape[0]
    if (core := tensors.get("bm")) is not None:
        down = torch.einsum("mn...,nj->mj...", core.float(), matrix(down).float())
    return Generalised(first, second, matrix(up), down, 1.0 if alpha is None else alpha / rank)
