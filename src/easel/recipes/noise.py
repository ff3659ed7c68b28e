"""The starting noise of a request: seeds, variations and resized seeds as A1111 draws them; and adapters it wears."""

from __future__ import annotations

from torch import Tensor

from easel.models.family import Model
from easel.recipes.common import Settled
from easel.sampling import PictureNoise


def noise_of(settled: Settled, model: Model) -> tuple[Tensor, PictureNoise]:
    """Return the starting noise (n, channels, height, width) and the generators that later noise comes from."""
    cell = model.latent.downscale
    shape = (model.latent.channels, settled.height // cell, settled.width // cell)
    pictures = PictureNoise(settled.request.seeds, shape, settled.request.noise)
    return pictures.draw(), pictures
