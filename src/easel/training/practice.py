"""What companions of the frozen base model practise on: compositions as rows, and noise to take away.

The objective is the base model's own, on a schedule that leans to strong noise, where it is decided what stands where.
Letters as in objectives.py. Knows neither networks nor what leads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL
from transformers import CLIPTokenizer

from easel.training.autoencoder import encode_mean
from easel.training.base import BETA_END, BETA_START, STEPS, encode_text
from easel.training.clip import Towers
from easel.training.objectives import add_noise, alpha_bars, level_shares, levels_at, min_snr_weight, v_target

CENTRE, WIDTH = 0.6, 1.4  # of log sigma; the base model practises about 0.2 with 1.1
BATCH = 32  # pictures at a time in the autoencoder
Rows = dict[str, torch.Tensor]


@torch.no_grad()
def latents_of(autoencoder: AutoencoderKL, pictures: torch.Tensor) -> torch.Tensor:
    """Scaled means (n, 4, h, w) float32 of pictures (n, 3, H, W) in -1..1."""
    with torch.autocast(pictures.device.type, torch.bfloat16):
        means = torch.cat([encode_mean(autoencoder, part).float() for part in pictures.split(BATCH)])
    return means * autoencoder.config.scaling_factor


@torch.no_grad()
def encoded(
    towers: Towers, tokenizer: CLIPTokenizer, autoencoder: AutoencoderKL, pictures: torch.Tensor, words: Sequence[str]
) -> Rows:
    """Scaled "latents" (n, 4, h, w) of pictures (n, 3, H, W) in -1..1 and "contexts" (n, 77, width), float16."""
    with torch.autocast(pictures.device.type, torch.bfloat16):
        contexts = torch.cat([encode_text(towers, tokenizer, [caption]) for caption in words])
    return {"latents": latents_of(autoencoder, pictures).half(), "contexts": contexts.half()}


@torch.no_grad()
def decoded(autoencoder: AutoencoderKL, latents: torch.Tensor) -> torch.Tensor:
    """Pictures (n, 3, H, W) in -1..1 of scaled latents (n, 4, h, w)."""
    means = latents.float() / autoencoder.config.scaling_factor
    with torch.autocast(latents.device.type, torch.bfloat16):
        return torch.cat([autoencoder.decode(part).sample.float() for part in means.split(BATCH)]).clamp(-1, 1)


def practised(
    rows: Rows, rng: np.random.Generator, batch: int, wordless: float, empty: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers (B,) of rows to practise and their contexts (B, 77, width).

    A share `wordless` of them has the context of no words, `empty` (1, 77, width).
    """
    device = empty.device
    chosen = torch.from_numpy(rng.integers(0, len(rows["latents"]), batch)).to(device)
    silent = torch.from_numpy(rng.random(batch) < wordless).to(device)
    return chosen, torch.where(silent[:, None, None], empty, rows["contexts"][chosen].float())


@dataclass(frozen=True)
class Noised:
    """x (B, 4, H, W) at steps t (B,), the v that is wanted of it, and the weight (B, 1, 1, 1) of its error."""

    x: torch.Tensor
    t: torch.Tensor
    v: torch.Tensor
    weight: torch.Tensor

    def losses(self, out: torch.Tensor) -> dict[str, torch.Tensor]:
        """The weighted squared error of a network's v, to be minimised, and the plain one."""
        error = (out.float() - self.v).square()
        return {"loss": (error * self.weight).mean(), "v": error.mean().detach()}


@dataclass(frozen=True)
class Noiser:
    """The table of levels and the share of practice up to each, both (STEPS,)."""

    alpha_bar: torch.Tensor
    shares: torch.Tensor

    @classmethod
    def on(cls, device: torch.device) -> Noiser:
        """The starter's levels on a device."""
        table = alpha_bars(STEPS, BETA_START, BETA_END)
        return cls(table.to(device), level_shares(table, CENTRE, WIDTH).to(device))

    def at(self, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(a, s) at steps t (B,), each (B, 1, 1, 1)."""
        return levels_at(self.alpha_bar, t)

    def noised(self, x0: torch.Tensor, rng: np.random.Generator) -> Noised:
        """Latents with noise, one level from each equal share of the practice: less variance than at random."""
        count = len(x0)
        spread = (torch.arange(count) + torch.from_numpy(rng.random(count))) / count
        t = torch.searchsorted(self.shares, spread.to(x0.device)).clamp(max=STEPS - 1)
        eps = torch.from_numpy(rng.standard_normal(x0.shape, dtype=np.float32)).to(x0.device)
        a, s = self.at(t)
        x = add_noise(x0, eps, a, s).contiguous(memory_format=torch.channels_last)
        return Noised(x, t, v_target(x0, eps, a, s), min_snr_weight(a, s))
