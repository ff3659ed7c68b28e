"""The half stage: the U-Net's inner levels alone, on latents at half their size, which give half the picture.

What subjects, places and styles look like is learned there for half the arithmetic; the base stage grows round it, as
in progressive growing (Karras et al. 2018). Does not know how the levels outside are found.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from diffusers import UNet2DConditionModel

from easel.training.embedded.growing import begin_with, levels_in, weights_in
from easel.training.embedded.practising import plain_looks, practised
from easel.training.embedded.workshop import SEED, STATE, Workshop, averaged, trained_autoencoder, trained_towers
from easel.training.networks.unet import BaseConfig, make_unet

SHRINK = 2


def inner(config: BaseConfig) -> BaseConfig:
    """The same U-Net without its outermost level."""
    return replace(config, channels=config.channels[1:], heads=config.heads[1:], attention=config.attention[1:])


def make_half(shop: Workshop) -> UNet2DConditionModel:
    """The inner levels with random weights."""
    torch.manual_seed(SEED)
    return make_unet(inner(shop.recipe.base), shop.recipe.clip.text_width, shop.recipe.side // 8 // SHRINK)


def trained_half(shop: Workshop) -> UNet2DConditionModel:
    """The inner levels as trained so far. Raises FileNotFoundError where they are not."""
    unet = make_half(shop)
    averaged(unet, shop.out / "half")
    return unet.to(shop.device)


def train_half(shop: Workshop) -> UNet2DConditionModel | None:
    """Trains (or goes on training) the inner levels, from those of the exported model where there is one.

    None where that model has as many levels as the base stage wants: then there is nothing to grow.
    """
    unet, folder = make_half(shop), shop.out / "half"
    if shop.start is not None:
        known = weights_in(shop.start / "unet")
        if levels_in(known) == len(shop.recipe.base.channels):
            print("nothing to grow: the base stage begins from a model with all its levels", flush=True)
            return None
        if not (folder / STATE).is_file():
            begin_with(unet, known)
    towers = trained_towers(shop).requires_grad_(False)
    autoencoder = trained_autoencoder(shop).requires_grad_(False)
    plan = shop.recipe.half_plan
    return practised(shop, plain_looks(shop, unet), towers, autoencoder, plan, folder, folder / "model", SHRINK)
