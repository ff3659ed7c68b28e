"""From latents to pixels: what every recipe and every pass over a finished picture asks for alike."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from torch import Tensor

from easel.core.work import Decode, Work, Worn
from easel.models.family import Model
from easel.recipes.common import Settled, tile_of


def decode(
    settled: Settled, model: Model, latents: Tensor, worn: tuple[Worn, ...] = ()
) -> Generator[Work, Any, Tensor]:
    """Ask for the pixels (n, 3, height, width) in 0..1 of latents, in the tiles that the request asks for."""
    return (yield Decode(model, latents, settled.request.alone, worn, tile_of(settled.request, model, latents)))
