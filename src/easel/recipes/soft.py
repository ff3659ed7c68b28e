"""Soft inpainting: how much of each place may change at each noise level, and how much of it is pasted in the end.

After Levin and Fried 2023 (arXiv 2306.00950), where a grey of the mask is a strength of its own; settings and meanings
are those of A1111's extension. Knows latents; does not know recipes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from easel.core.pictures import Soft

FAINTEST = 1e-6  # magnitude of a latent below which it has no direction


def change_at(soft: Soft, mask: Tensor, ratio: float) -> Tensor:
    """Return the share of what is new at a noise-to-signal ratio, for a mask in 0..1; black keeps, white changes.

    mask ** (preservation * ratio ** bias): grey keeps more where there is more noise, and a bias above 1 sharpens
    that; with preservation 0 all that is not black changes.
    """
    return torch.where(mask > 0, mask ** (soft.preservation * ratio**soft.schedule_bias), 0.0)


def melted(old: Tensor, new: Tensor, share: Tensor, contrast: float) -> Tensor:
    """Return latents between old and new, (n, channels, height, width), that are no fainter than either.

    A plain mixture of unlike latents is shorter than both, which shows as grey. Its direction is kept, and its
    magnitude is their power mean: the greater the contrast, the nearer to the greater of both.
    """
    mixed = old + (new - old) * share
    low, high = (length(latents) for latents in (old, new))
    top = torch.maximum(low, high).clamp(min=FAINTEST)
    wanted = top * ((1 - share) * (low / top) ** contrast + share * (high / top) ** contrast) ** (1 / contrast)
    found = length(mixed)
    kept = (share == 0) | (share == 1) | (found < FAINTEST)
    return torch.where(kept, mixed, mixed * (wanted / found.clamp(min=FAINTEST)))


def pasting(soft: Soft, old: Tensor, new: Tensor, mask: Tensor) -> Tensor:
    """Return how much of the new is pasted, (n, 1, height, width) in 0..1, by how far latents have moved.

    mask: (1, 1, height, width) in 0..1. A place that moved by the threshold is half pasted; the contrast says how fast
    that changes around it; the mask's influence makes places count less that it hardly covers.
    """
    moved = length(new - old)
    moved = torch.nn.functional.avg_pool2d(moved, 3, 1, 1, count_include_pad=False)
    moved = moved * (1 - soft.mask_influence + soft.mask_influence * mask)
    if soft.difference_threshold == 0:
        return (moved > 0).float()
    far = (moved / soft.difference_threshold) ** soft.difference_contrast
    return torch.where(moved > 0, far / (1 + far), 0.0)


def length(latents: Tensor) -> Tensor:
    """Return the Euclidean length of each cell's channels, (n, 1, height, width)."""
    return latents.square().sum(1, keepdim=True).sqrt()
