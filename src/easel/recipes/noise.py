"""The starting noise of a request: seeds, variations and resized seeds as A1111 draws them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from easel.models.family import Model
from easel.recipes.common import Settled
from easel.recipes.starts import cut
from easel.sampling import PictureNoise
from easel.sampling.variations import starting_noise


def noise_of(settled: Settled, model: Model, seeds: Sequence[int] | None = None) -> tuple[Tensor, PictureNoise]:
    """Return the starting noise (n, channels, height, width) and the generators that later noise comes from.

    seeds: one a picture, in place of the request's.
    """
    request, variation = settled.request, settled.request.variation
    cell, multiple = model.latent.downscale, model.latent.multiple
    shape = (model.latent.channels, settled.height // cell, settled.width // cell)
    pictures = PictureNoise(request.seeds if seeds is None else seeds, shape, request.noise)
    resize = variation.resize_from
    cells_from = (cut(resize[1], multiple) // cell, cut(resize[0], multiple) // cell) if resize else None
    noise = starting_noise(
        pictures,
        seeds=request.variation_seeds,
        strength=variation.strength,
        cells_from=cells_from,
    )
    return noise, pictures
