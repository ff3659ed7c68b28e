"""Refines the autoencoder's decoder alone, on the very latents the base model learns from, while that one trains.

The latent space stays as it is, so the base model need not know; only the pictures become better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from easel.training.autoencoder import measure_psnr, picture_losses
from easel.training.base import CACHE_SEED
from easel.training.data import compose
from easel.training.loop import Losses, Plan, train
from easel.training.scenes import generator
from easel.training.subjects import Subject


@dataclass(frozen=True)
class DecoderConfig:
    """How the decoder is refined."""

    batch: int = 3  # whole pictures, so that norms see what they will see
    noise: float = 0.1  # of a latent with variance 1: the base model's latents are not exact


def make_losses(
    autoencoder: AutoencoderKL,
    latents: torch.Tensor,
    levels: list[torch.Tensor],
    subjects: Sequence[Subject],
    config: DecoderConfig,
) -> Callable[[int], Losses]:
    """The loss as a function of the step; `latents` (N, 4, 16, 16) are those of the compositions 0 to N - 1."""
    device = levels[0].device

    def losses(step: int) -> Losses:
        rows = generator(CACHE_SEED, 2, step).integers(0, len(latents), config.batch)
        pictures = compose(levels, subjects, CACHE_SEED, [int(row) for row in rows]).pictures
        z = latents[torch.from_numpy(rows)].float() / autoencoder.config.scaling_factor
        chance = torch.Generator().manual_seed(CACHE_SEED * 2_000_003 + step)
        z = (z + config.noise * torch.randn(z.shape, generator=chance)).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            out = autoencoder.decode(z.contiguous(memory_format=torch.channels_last)).sample
        return picture_losses(out.float(), pictures)

    return losses


def train_decoder(
    autoencoder: AutoencoderKL,
    latents: torch.Tensor,
    levels: list[torch.Tensor],
    subjects: Sequence[Subject],
    config: DecoderConfig,
    plan: Plan,
    folder: Path,
) -> AutoencoderKL:
    """Trains (or goes on training) the decoder of a finished autoencoder in `folder`; the encoder stays bit for bit."""
    autoencoder.encoder.requires_grad_(False)
    autoencoder.quant_conv.requires_grad_(False)

    def sheet(step: int) -> None:
        print(f"step {step}: PSNR {measure_psnr(autoencoder, levels, subjects, 32):.2f} dB", flush=True)

    train(autoencoder, make_losses(autoencoder, latents, levels, subjects, config), plan, folder, sheet)
    return autoencoder
