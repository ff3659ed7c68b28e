"""The autoencoder: pictures to latents 8 times smaller with 4 channels, and back (Rombach et al. 2022).

Its posterior has a fixed width, so the loss is a distance. Knows neither the pictures nor the stages it learns in.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from easel.training.networks.blocks import swift

COLOUR = 10.0  # weight of errors in colour alone and in 4x4 means


@dataclass(frozen=True)
class AutoencoderConfig:
    """The autoencoder's size and how it is trained."""

    channels: tuple[int, ...] = (32, 64, 96, 128)
    layers: int = 1
    groups: int = 8
    batch: int = 4  # pictures a step
    noise: float = 0.1  # the posterior's width


def make_autoencoder(config: AutoencoderConfig, side: int = 256) -> AutoencoderKL:
    """A new autoencoder with random weights. side: pixels of the pictures it is made for."""
    count = len(config.channels)
    autoencoder = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=list(config.channels),
        layers_per_block=config.layers,
        norm_num_groups=config.groups,
        down_block_types=["DownEncoderBlock2D"] * count,
        up_block_types=["UpDecoderBlock2D"] * count,
        sample_size=side,
        scaling_factor=1.0,
    )
    return swift(autoencoder).to(memory_format=torch.channels_last)


def encode_mean(autoencoder: AutoencoderKL, pictures: torch.Tensor) -> torch.Tensor:
    """The posterior's mean (B, 4, H/8, W/8) of pictures (B, 3, H, W) in -1..1, not scaled."""
    return autoencoder.encode(pictures.contiguous(memory_format=torch.channels_last)).latent_dist.mean


@torch.no_grad()
def latents_of(autoencoder: AutoencoderKL, pictures: torch.Tensor) -> torch.Tensor:
    """Scaled latents (B, 4, H/8, W/8) float16 of pictures (B, 3, H, W) in -1..1, as they are kept and practised."""
    with torch.autocast(pictures.device.type, torch.bfloat16):
        mean = encode_mean(autoencoder, pictures)
    return (mean.float() * autoencoder.config.scaling_factor).half()


def picture_losses(out: torch.Tensor, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
    """The distance of pictures (B, 3, H, W) from what they should be; errors in colour and broad areas count more.

    Grey is learned long before colour when all errors count alike.
    """
    error = out - pictures
    square = error.square().mean()
    colour = (error - error.mean(1, keepdim=True)).square().mean()
    broad = F.avg_pool2d(error, 4).square().mean()
    loss = error.abs().mean() + 2.0 * square + COLOUR * (colour + broad)
    return {"loss": loss, "psnr": psnr(square.detach())}


def psnr(square: torch.Tensor, span: float = 2.0) -> torch.Tensor:
    """Decibels of a mean square error of pictures whose values span so much: -1..1 or, with 1, 0..1."""
    return -10 * torch.log10((square / span**2).clamp_min(1e-10))


@torch.no_grad()
def normalise(autoencoder: AutoencoderKL, mean: torch.Tensor, std: torch.Tensor) -> None:
    """Folds (z - mean) / std into the 1x1 layers on both sides of the latent, so that scaling_factor is exactly 1.

    The pictures stay the same. The posterior becomes as narrow as e**-9, so that a sample is the mean.
    """
    into, out = autoencoder.quant_conv, autoencoder.post_quant_conv
    out.bias.add_(out.weight[:, :, 0, 0] @ mean)
    out.weight.mul_(std.view(1, -1, 1, 1))
    into.bias[:4].sub_(mean).div_(std)
    into.weight[:4].div_(std.view(-1, 1, 1, 1))
    into.weight[4:].zero_()
    into.bias[4:].fill_(-18.0)
