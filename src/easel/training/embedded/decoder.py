"""The decoder stage: the autoencoder's decoder goes on alone, on latents as inexact as the base model's.

The latents stay as they are, so that the base model need not know; only the pictures become better. Knows
nothing of that model.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import AutoencoderKL

from easel.training.embedded.autoencoder import cropped, measured
from easel.training.embedded.workshop import SEED, Workshop, trained_autoencoder
from easel.training.learning.loop import Losses, train
from easel.training.networks.autoencoder import encode_mean, picture_losses
from easel.training.world.scenes import generator

NOISE = 0.1  # of a latent with variance 1


def make_losses(shop: Workshop, autoencoder: AutoencoderKL) -> Callable[[int], Losses]:
    """The loss as a function of the step."""
    recipe, device = shop.recipe, shop.device

    def losses(step: int) -> Losses:
        rows = torch.from_numpy(generator(SEED, 5, step).integers(0, len(shop.deck), recipe.autoencoder.batch))
        pictures = cropped(shop.pictures(rows), recipe.crop, step)
        chance = torch.Generator().manual_seed(SEED * 2_000_003 + step)
        with torch.autocast(device.type, torch.bfloat16):
            with torch.no_grad():
                z = encode_mean(autoencoder, pictures)
            z = z + NOISE * torch.randn(z.shape, generator=chance).to(device)
            out = autoencoder.decode(z).sample
        return picture_losses(out.float(), pictures)

    return losses


def train_decoder(shop: Workshop) -> AutoencoderKL:
    """Trains (or goes on training) the decoder of the finished autoencoder; the encoder stays bit for bit."""
    autoencoder = trained_autoencoder(shop)
    autoencoder.encoder.requires_grad_(False)
    autoencoder.quant_conv.requires_grad_(False)

    def sheet(step: int) -> None:
        print(f"decoder step {step}: {measured(shop, autoencoder, 64):.2f} dB", flush=True)

    train(autoencoder, make_losses(shop, autoencoder), shop.recipe.decoder_plan, shop.out / "decoder", sheet)
    return autoencoder
