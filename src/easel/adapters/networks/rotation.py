"""OFT and BOFT: a layer's outputs rotated in blocks. Qiu et al. 2023, arXiv:2306.07280; Liu et al. 2024, 2311.06243.

kohya's and LyCORIS' files hold blocks Q, whose antisymmetric part gives the rotation by Cayley's transform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from easel.adapters.networks.change import Spans, exact


@dataclass(frozen=True, slots=True, eq=False)
class Rotation:
    """R W, R of rotated blocks of outputs, then times `rescale`.

    blocks: (stages, number, size, size), one stage for OFT. butterfly: BOFT, in whose stage i outputs
    2^i * size / 2 apart are mixed. constraint: the largest norm of what the blocks hold, over the number of outputs, 0
    for none. A strength goes in a straight line from no rotation to the whole, stage by stage.
    """

    blocks: Tensor
    rescale: Tensor | None
    constraint: float
    butterfly: bool

    def fits(self, shape: Sequence[int]) -> bool:
        """See Change."""
        stages, number, size, other = self.blocks.shape
        if size != other or number * size != shape[0]:
            return False
        if self.butterfly and (size % 2 or shape[0] % (2 ** (stages - 1) * size)):
            return False
        return self.rescale is None or self.rescale.numel() == shape[0]

    def changed(self, weight: Tensor, strength: float) -> Tensor:
        """See Change."""
        turned = weight
        for stage, blocks in enumerate(self.rotations(weight)):
            identity = torch.eye(blocks.shape[-1], device=weight.device)
            blocks = torch.lerp(identity.expand_as(blocks), blocks, strength)
            turned = crossed(turned, blocks, stage) if self.butterfly else mixed(turned, blocks)
        if self.rescale is None:
            return turned
        factors = exact(self.rescale, weight).reshape(-1, *[1] * (weight.ndim - 1))
        return turned * (1 + strength * (factors - 1))

    def rotations(self, like: Tensor) -> Tensor:
        """Return the orthogonal blocks, (stages, number, size, size)."""
        blocks = exact(self.blocks, like)
        skew = blocks - blocks.mT
        if self.constraint > 0:
            norm, most = skew.norm() + 1e-8, self.constraint * like.shape[0]
            skew = skew * (most / norm).clamp(max=1)
        identity = torch.eye(blocks.shape[-1], device=like.device)
        return torch.linalg.solve(identity - skew, identity + skew, left=False)

    def rows(self, spans: Spans) -> None:
        """See Change. A rotated output is made of its whole block."""
        return None


def mixed(weight: Tensor, blocks: Tensor) -> Tensor:
    """Return a weight whose neighbouring outputs are mixed by blocks (number, size, size), each transposed."""
    grouped = weight.unflatten(0, blocks.shape[:2])
    return torch.einsum("knm,kn...->km...", blocks, grouped).flatten(0, 1)


def crossed(weight: Tensor, blocks: Tensor, stage: int) -> Tensor:
    """Return a weight whose outputs far apart are mixed by blocks (number, size, size), as a butterfly's stage does."""
    order = torch.arange(weight.shape[0], device=weight.device)
    order = order.unflatten(0, (-1, 2, 2**stage * (blocks.shape[-1] // 2))).transpose(1, 2).flatten()
    result = torch.empty_like(weight)
    result[order] = mixed(weight[order], blocks.mT)
    return result


def rotation(tensors: Mapping[str, Tensor], alpha: float | None) -> Rotation:
    """Return the change of tensors by role: oft_blocks, three-dimensional for OFT, and rescale; alpha constrains."""
    blocks = tensors["oft_blocks"]
    butterfly = blocks.ndim == 4
    return Rotation(blocks if butterfly else blocks[None], tensors.get("rescale"), alpha or 0.0, butterfly)
