"""What an inpainting checkpoint is told: where to paint, and the picture with that place blotted out.

Its denoiser reads 9 channels: 4 of the noisy latent, 1 of the mask, 4 of the masked picture's latent. Any recipe may
run such a model; without a mask all is to be painted.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor

from easel.core.work import EncodeImages, Work, Worn
from easel.models.family import Model
from easel.recipes.common import Settled

GREY = 0.5  # what stands in a picture where it is blotted out


def masked_conditioning(
    settled: Settled, model: Model, pixels: Tensor, mask: Tensor, weight: float, worn: tuple[Worn, ...] = ()
) -> Generator[Work, Any, dict[str, Tensor]]:
    """Ask for the rows' extra "inpaint", (n, 1 + channels, height / 8, width / 8); nothing for an ordinary model.

    pixels: (n, 3, height, width) in 0..1. mask: (1, 1, height, width), 1 where painted. weight: 0..1, how much of the
    masked place is hidden from the model.
    """
    if not model.inpaints:
        return {}
    blotted = pixels + (GREY - pixels) * mask * weight
    latents: Tensor = yield EncodeImages(model, blotted, settled.request.alone, worn)
    cells = torch.nn.functional.interpolate(mask, size=latents.shape[-2:])
    return {"inpaint": torch.cat([cells.expand(len(latents), -1, -1, -1), latents], 1)}


def blank_conditioning(
    settled: Settled, model: Model, worn: tuple[Worn, ...] = ()
) -> Generator[Work, Any, dict[str, Tensor]]:
    """Ask for the extra "inpaint" of a picture that is painted all over; nothing for an ordinary model."""
    if not model.inpaints:
        return {}
    pixels = torch.full((1, 3, settled.height, settled.width), GREY)
    return (yield from masked_conditioning(settled, model, pixels, torch.ones_like(pixels[:, :1]), 1.0, worn))
