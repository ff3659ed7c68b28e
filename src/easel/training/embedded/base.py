"""The base stage: the whole U-Net on the pool's latents, grown round the inner levels that the half stage trained.

Knows neither the objective nor how growing is done.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from easel.training.embedded.growing import begin_from
from easel.training.embedded.half import trained_half
from easel.training.embedded.practising import plain_looks, practised
from easel.training.embedded.settling import settled
from easel.training.embedded.workshop import SEED, Workshop, is_trained, trained_autoencoder, trained_towers
from easel.training.networks.towers import Towers
from easel.training.networks.unet import make_unet


def begun(shop: Workshop, towers: Towers, autoencoder: AutoencoderKL) -> UNet2DConditionModel:
    """The U-Net before its first step: grown round the half stage's, or the exported one's, or random."""
    torch.manual_seed(SEED)
    unet = plain_looks(shop, make_unet(shop.recipe.base, shop.recipe.clip.text_width, shop.recipe.side // 8))
    if is_trained(shop, "base"):
        return unet
    if is_trained(shop, "half"):
        return settled(shop, unet, plain_looks(shop, trained_half(shop)), towers, autoencoder)
    if shop.start is not None:
        begin_from(unet, shop.start / "unet")
    return unet


def train_base(shop: Workshop) -> UNet2DConditionModel:
    """Trains (or goes on training) the U-Net, exporting with every sheet so that there is always a model to use."""
    towers = trained_towers(shop).requires_grad_(False)
    autoencoder = trained_autoencoder(shop).requires_grad_(False)
    unet = begun(shop, towers, autoencoder)
    return practised(shop, unet, towers, autoencoder, shop.recipe.base_plan, shop.out / "base", shop.out / "model")
