"""The tiny autoencoder: TAESD's build (Bohan 2023), narrow, that reads and writes the starter's own latents.

It looks at nothing but its neighbourhood and has no norms, so it decodes several times as fast as the autoencoder and
nearly as well. Its decoder learns pictures from latents as inexact as the U-Net's, its encoder the autoencoder's
means. Does not know the U-Net.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from safetensors.torch import save_file

from easel.training.companions.practice import kept_rows
from easel.training.learning.loop import Losses, Plan, train
from easel.training.learning.sheet import write_sheet
from easel.training.networks.autoencoder import latents_of, picture_losses, psnr
from easel.training.world.scenes import generator
from easel.training.world.source import UNSEEN_SEED, Source, compose

SEED = 89
CHUNK = 64  # compositions in one kept file
BATCH = 16  # pictures at a time in the autoencoder
FILE = "starter-tiny.safetensors"
LEVELS = 4
CELL = 8  # pixels of one place in a latent


@dataclass(frozen=True)
class TinyConfig:
    """The network's size and how it is trained."""

    width: int = 32
    encoder_blocks: tuple[int, ...] = (1, 2, 2, 2)
    decoder_blocks: tuple[int, ...] = (3, 3, 2, 1)
    pictures: int = 2048  # compositions that are practised
    batch: int = 8
    part: int = 16  # places of a latent's part that is practised, each of CELL pixels a side
    noise: float = 0.1  # most that is laid over a latent of variance 1
    judged: int = 64  # unseen compositions of a figure


def make_tiny(config: TinyConfig) -> AutoencoderTiny:
    """A new network with random weights."""
    torch.manual_seed(SEED)
    widths = (config.width,) * LEVELS
    return AutoencoderTiny(
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        num_encoder_blocks=config.encoder_blocks,
        num_decoder_blocks=config.decoder_blocks,
    ).to(memory_format=torch.channels_last)


@torch.no_grad()
def make_rows(source: Source, autoencoder: AutoencoderKL, count: int, folder: Path) -> dict[str, torch.Tensor]:
    """Compositions "pictures" (n, 3, H, W) uint8 and their scaled "latents" (n, 4, h, w) float16, kept on disk."""

    def make(numbers: range) -> dict[str, torch.Tensor]:
        parts = [numbers[first : first + BATCH] for first in range(0, len(numbers), BATCH)]
        pictures = torch.cat([compose(source, SEED, part).pictures for part in parts])
        return {
            "pictures": ((pictures + 1) * 127.5).round().to(torch.uint8),
            "latents": torch.cat([latents_of(autoencoder, part) for part in pictures.split(BATCH)]),
        }

    rows = kept_rows(folder, "pictures", count, CHUNK, make)
    return {name: tensor.to(source.device) for name, tensor in rows.items()}


def parts_of(
    rows: dict[str, torch.Tensor], config: TinyConfig, step: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A step's parts of pictures (B, 3, 8 p, 8 p) in -1..1, their latents (B, 4, p, p), and how much noise (B,)."""
    rng = generator(SEED, 1, step)
    high, wide = rows["latents"].shape[-2:]
    part = min(config.part, high, wide)
    pictures, latents = [], []
    for row in rng.integers(0, len(rows["latents"]), config.batch):
        y, x = int(rng.integers(0, high - part + 1)), int(rng.integers(0, wide - part + 1))
        down, across = slice(CELL * y, CELL * (y + part)), slice(CELL * x, CELL * (x + part))
        pictures.append(rows["pictures"][row, :, down, across])
        latents.append(rows["latents"][row, :, y : y + part, x : x + part])
    width = torch.from_numpy(rng.random(config.batch) * config.noise).float()
    shown = torch.stack(pictures).float() / 127.5 - 1
    return shown.contiguous(memory_format=torch.channels_last), torch.stack(latents).float(), width.to(shown.device)


def make_losses(tiny: AutoencoderTiny, rows: dict[str, torch.Tensor], config: TinyConfig) -> Callable[[int], Losses]:
    """The loss as a function of the step."""

    def losses(step: int) -> Losses:
        pictures, latents, width = parts_of(rows, config, step)
        chance = torch.Generator().manual_seed(SEED * 1_000_003 + step)
        noise = torch.randn(latents.shape, generator=chance).to(latents.device) * width[:, None, None, None]
        with torch.autocast(latents.device.type, torch.bfloat16):
            out = tiny.decode(latents + noise, return_dict=False)[0].float()
            means = tiny.encode(pictures, return_dict=False)[0].float()
        found = picture_losses(out, pictures)
        # a part's border lies in the middle of a picture, which the autoencoder saw and this encoder cannot
        read = (means - latents)[..., 1:-1, 1:-1].square().mean()
        return found | {"loss": found["loss"] + read, "read": read.detach()}

    return losses


@torch.no_grad()
def measured(tiny: AutoencoderTiny, autoencoder: AutoencoderKL, source: Source, count: int) -> dict[str, float]:
    """What each of the two makes of the autoencoder's latents of unseen compositions: mean PSNR in dB and seconds."""
    sums = dict.fromkeys(("tiny", "whole", "tiny_seconds", "whole_seconds"), 0.0)
    for first in range(0, count, BATCH):
        pictures = compose(source, UNSEEN_SEED, range(first, min(first + BATCH, count))).pictures
        latents = latents_of(autoencoder, pictures).float()
        for name, part, scaled in (("tiny", tiny, 1.0), ("whole", autoencoder, autoencoder.config.scaling_factor)):
            began = time.perf_counter()
            with torch.autocast(latents.device.type, torch.bfloat16):
                out = part.decode(latents / scaled, return_dict=False)[0].float().clamp(-1, 1)
            sums[f"{name}_seconds"] += time.perf_counter() - began
            sums[name] += float(psnr((out - pictures).square().mean((1, 2, 3))).sum())
    return {name: total / count for name, total in sums.items()}


def save(tiny: AutoencoderTiny, path: Path, words: str) -> Path:
    """Writes the network in float16 under TAESD's published names and returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in tiny.state_dict().items():
        side, _, number, rest = name.split(".", 3)
        # the published decoder's first layer bounds the latent and has no weights, so all others count one more
        place = int(number) + (side == "decoder")
        tensors[f"taesd_{side}.{place}.{rest}"] = tensor.detach().half().cpu().contiguous()
    save_file(tensors, path, metadata={"title": "Starter tiny autoencoder", "description": words})
    return path


def train_tiny(
    source: Source, autoencoder: AutoencoderKL, config: TinyConfig, plan: Plan, folder: Path
) -> AutoencoderTiny:
    """Trains (or goes on training) the tiny autoencoder in `folder` and writes it there as FILE."""
    rows = make_rows(source, autoencoder, config.pictures, folder / "rows")
    tiny = make_tiny(config).to(source.device)

    @torch.no_grad()
    def sheet(step: int) -> None:
        found = measured(tiny, autoencoder, source, config.judged)
        words = f"{found['tiny']:.2f} dB, the autoencoder {found['whole']:.2f} dB"
        faster = found["whole_seconds"] / found["tiny_seconds"]
        print(f"step {step}: {words}, {faster:.1f} times as fast", flush=True)
        pictures = compose(source, UNSEEN_SEED, range(8)).pictures
        latents = latents_of(autoencoder, pictures).float()
        whole = autoencoder.decode(latents / autoencoder.config.scaling_factor, return_dict=False)[0]
        shown = torch.cat([pictures, whole, tiny.decode(latents, return_dict=False)[0]])
        write_sheet(folder / "sheet.png", shown, ["true"] * 8 + ["autoencoder"] * 8 + ["tiny"] * 8)
        save(tiny, folder / FILE, f"{step} steps of {config.batch}; {words}")

    train(tiny, make_losses(tiny, rows, config), plan, folder, sheet)
    return tiny
