"""The autoencoder: pictures to latents 8 times smaller with 4 channels, and back (Rombach et al. 2022).

Its posterior has a fixed width, so the loss is distance plus a weak pull of the means to zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from easel.training.data import compose
from easel.training.loop import Losses, Plan, train
from easel.training.scenes import generator
from easel.training.sheet import write_sheet
from easel.training.subjects import Subject

TRAIN_SEED, UNSEEN_SEED = 11, 99
COLOUR = 10.0  # weight of errors in colour alone and in 4x4 means


@dataclass(frozen=True)
class AutoencoderConfig:
    """The autoencoder's size and how it is trained."""

    channels: tuple[int, ...] = (32, 64, 96, 128)
    layers: int = 1
    groups: int = 8
    batch: int = 4  # pictures composed for a step
    crops: int = 2  # crops of `crop` pixels out of each
    crop: int = 64
    whole_every: int = 4  # each so many steps a few whole pictures, so that norms and attention see them
    whole_batch: int = 2
    noise: float = 0.1  # the posterior's width, reached by a third of the run
    pull: float = 1e-4  # weight of the means' square


def make_autoencoder(config: AutoencoderConfig) -> AutoencoderKL:
    """A new autoencoder with random weights."""
    count = len(config.channels)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=list(config.channels),
        layers_per_block=config.layers,
        norm_num_groups=config.groups,
        down_block_types=["DownEncoderBlock2D"] * count,
        up_block_types=["UpDecoderBlock2D"] * count,
        sample_size=128,
        scaling_factor=1.0,
    ).to(memory_format=torch.channels_last)


def encode_mean(autoencoder: AutoencoderKL, pictures: torch.Tensor) -> torch.Tensor:
    """The posterior's mean (B, 4, H/8, W/8) of pictures (B, 3, H, W) in -1..1, not scaled."""
    return autoencoder.encode(pictures.contiguous(memory_format=torch.channels_last)).latent_dist.mean


def reconstruction(
    autoencoder: AutoencoderKL, pictures: torch.Tensor, noise: torch.Tensor, config: AutoencoderConfig
) -> Losses:
    """Losses of one batch; `noise` is already of the wanted width."""
    device = pictures.device.type
    with torch.autocast(device, torch.bfloat16):
        mean = encode_mean(autoencoder, pictures)
        out = autoencoder.decode(mean + noise).sample
    losses = picture_losses(out.float(), pictures)
    pull = mean.float().square().mean()
    return losses | {"loss": losses["loss"] + config.pull * pull, "latent": pull.detach().sqrt()}


def picture_losses(out: torch.Tensor, pictures: torch.Tensor) -> Losses:
    """The distance of pictures (B, 3, H, W) from what they should be; errors in colour and broad areas count more.

    Grey is learned long before colour when all errors count alike.
    """
    error = out - pictures
    square = error.square().mean()
    colour = (error - error.mean(1, keepdim=True)).square().mean()
    broad = F.avg_pool2d(error, 4).square().mean()
    loss = error.abs().mean() + 2.0 * square + COLOUR * (colour + broad)
    return {"loss": loss, "psnr": psnr(square.detach())}


def psnr(square: torch.Tensor) -> torch.Tensor:
    """Decibels of a mean square error of pictures in -1..1."""
    return -10 * torch.log10(square / 4)


def make_losses(
    autoencoder: AutoencoderKL, levels: list[torch.Tensor], subjects: Sequence[Subject], config: AutoencoderConfig
) -> Callable[[int], Losses]:
    """The loss as a function of the step."""
    device = levels[0].device
    ramp = 2000.0

    def losses(step: int) -> Losses:
        whole = step % config.whole_every == 0
        count = config.whole_batch if whole else config.batch
        first = step * config.batch
        pictures = compose(levels, subjects, TRAIN_SEED, range(first, first + count)).pictures
        if not whole:
            rng = generator(TRAIN_SEED, 1, step)
            places = rng.integers(0, pictures.shape[-1] - config.crop + 1, (config.crops, count, 2))
            pictures = torch.stack(
                [
                    pictures[n, :, y : y + config.crop, x : x + config.crop]
                    for part in places
                    for n, (y, x) in enumerate(part)
                ]
            )
        side = pictures.shape[-1] // 8
        chance = torch.Generator().manual_seed(TRAIN_SEED * 1_000_003 + step)
        width = config.noise * min(1.0, step / ramp)
        noise = torch.randn(len(pictures), 4, side, side, generator=chance).to(device) * width
        return reconstruction(autoencoder, pictures, noise, config)

    return losses


@torch.no_grad()
def measure_latents(
    autoencoder: AutoencoderKL, levels: list[torch.Tensor], subjects: Sequence[Subject], count: int = 256
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation (4,) of the latents of unseen compositions."""
    parts = []
    for first in range(0, count, 16):
        pictures = compose(levels, subjects, UNSEEN_SEED, range(first, min(count, first + 16))).pictures
        parts.append(encode_mean(autoencoder, pictures))
    latents = torch.cat(parts)
    return latents.mean((0, 2, 3)), latents.std((0, 2, 3))


@torch.no_grad()
def measure_psnr(
    autoencoder: AutoencoderKL, levels: list[torch.Tensor], subjects: Sequence[Subject], count: int = 128
) -> float:
    """Mean PSNR in dB over unseen compositions."""
    total = 0.0
    for first in range(0, count, 16):
        pictures = compose(levels, subjects, UNSEEN_SEED, range(first, min(count, first + 16))).pictures
        out = autoencoder.decode(encode_mean(autoencoder, pictures)).sample.clamp(-1, 1)
        total += float(psnr((out - pictures).square().mean((1, 2, 3))).sum())
    return total / count


@torch.no_grad()
def normalise(autoencoder: AutoencoderKL, mean: torch.Tensor, std: torch.Tensor) -> None:
    """Folds (z - mean) / std into the 1x1 layers on both sides of the latent, so that scaling_factor is exactly 1.

    The pictures stay the same.  The posterior becomes as narrow as e**-9, so that a sample is the mean.
    """
    into, out = autoencoder.quant_conv, autoencoder.post_quant_conv
    out.bias.add_(out.weight[:, :, 0, 0] @ mean)
    out.weight.mul_(std.view(1, -1, 1, 1))
    into.bias[:4].sub_(mean).div_(std)
    into.weight[:4].div_(std.view(-1, 1, 1, 1))
    into.weight[4:].zero_()
    into.bias[4:].fill_(-18.0)


def finish(autoencoder: AutoencoderKL, levels: list[torch.Tensor], subjects: Sequence[Subject]) -> AutoencoderKL:
    """Gives each latent channel mean 0 and variance 1 on the data."""
    normalise(autoencoder, *measure_latents(autoencoder, levels, subjects))
    return autoencoder


def train_autoencoder(
    levels: list[torch.Tensor], subjects: Sequence[Subject], config: AutoencoderConfig, plan: Plan, folder: Path
) -> AutoencoderKL:
    """Trains (or goes on training) the autoencoder in `folder` and returns it finished."""
    torch.manual_seed(TRAIN_SEED)
    autoencoder = make_autoencoder(config).to(levels[0].device)

    def sheet(step: int) -> None:
        examples = compose(levels, subjects, UNSEEN_SEED, range(16))
        out = autoencoder.decode(encode_mean(autoencoder, examples.pictures)).sample
        both = torch.stack([examples.pictures, out], 1).flatten(0, 1)
        error = float(psnr(F.mse_loss(out.clamp(-1, 1), examples.pictures)))
        write_sheet(folder / "sheet.png", both, [c for c in examples.captions for _ in (0, 1)])
        print(f"step {step}: PSNR on 16 unseen compositions {error:.2f} dB", flush=True)

    train(autoencoder, make_losses(autoencoder, levels, subjects, config), plan, folder, sheet)
    return finish(autoencoder, levels, subjects)
