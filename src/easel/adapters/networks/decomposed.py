"""DoRA: a changed weight whose every direction is given a trained length. Liu et al. 2024, arXiv:2402.09353.

Any kind of change may stand inside; a strength goes from the layer's own weight to the whole of it in a straight line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from easel.adapters.networks.change import Change, Spans, exact, matrix, some_rows


@dataclass(frozen=True, slots=True, eq=False)
class Decomposed:
    """W + strength * (lengths * V / |V| - W), V the inner change at full strength.

    lengths: one for each output, or one for each input, as its shape says. The length of V is taken along the others.
    """

    inner: Change
    lengths: Tensor

    def along_outputs(self) -> bool:
        """Return whether there is one length for each output; where one number stands for both, it is the outputs'."""
        shape = self.lengths.shape
        return len(shape) < 2 or shape[0] == self.lengths.numel()

    def fits(self, shape: Sequence[int]) -> bool:
        """See Change."""
        wanted = shape[0] if self.along_outputs() else shape[1]
        return len(shape) > 1 and self.lengths.numel() == wanted and self.inner.fits(shape)

    def changed(self, weight: Tensor, strength: float) -> Tensor:
        """See Change."""
        inner = self.inner.changed(weight, 1.0)
        axis = 0 if self.along_outputs() else 1
        sides = [1] * weight.ndim
        sides[axis] = -1
        norms = matrix(inner.transpose(0, axis)).norm(dim=1) + torch.finfo(torch.float32).eps
        whole = inner * (exact(self.lengths.flatten(), weight) / norms).reshape(sides)
        return whole if strength == 1 else weight + (whole - weight).mul_(strength)

    def rows(self, spans: Spans) -> Decomposed | None:
        """See Change. Lengths along inputs are of all rows together, so none can be told apart."""
        inner = self.inner.rows(spans)
        if inner is None or not self.along_outputs():
            return None
        return Decomposed(inner, some_rows(self.lengths.flatten(), spans))
