"""What companions of the frozen base model practise on: compositions as rows that are kept, and noise to take away.

The objective is the base model's own, practised widely about strong noise, where it is decided what stands where. Knows
neither what leads the base model nor how.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from transformers import CLIPTokenizer

from easel.training.learning.checkpoint import kept
from easel.training.learning.objectives import Noiser
from easel.training.networks.autoencoder import latents_of
from easel.training.networks.towers import Towers
from easel.training.networks.unet import encode_text, noise_levels

CENTRE, WIDTH = 1.2, 1.4  # of log sigma, where practice is; the base model practises about 0.8
BATCH = 32  # pictures at a time in the autoencoder
Rows = dict[str, torch.Tensor]


@torch.no_grad()
def encoded(
    towers: Towers, tokenizer: CLIPTokenizer, autoencoder: AutoencoderKL, pictures: torch.Tensor, words: Sequence[str]
) -> Rows:
    """Scaled "latents" (n, 4, h, w) of pictures (n, 3, H, W) in -1..1 and "contexts" (n, 77, width), float16."""
    with torch.autocast(pictures.device.type, torch.bfloat16):
        contexts = torch.cat([encode_text(towers, tokenizer, [caption]) for caption in words])
    latents = torch.cat([latents_of(autoencoder, part) for part in pictures.split(BATCH)])
    return {"latents": latents, "contexts": contexts.half()}


@torch.no_grad()
def decoded(autoencoder: AutoencoderKL, latents: torch.Tensor) -> torch.Tensor:
    """Pictures (n, 3, H, W) in -1..1 of scaled latents (n, 4, h, w)."""
    means = latents.float() / autoencoder.config.scaling_factor
    with torch.autocast(latents.device.type, torch.bfloat16):
        return torch.cat([autoencoder.decode(part).sample.float() for part in means.split(BATCH)]).clamp(-1, 1)


def noise_on(device: torch.device) -> Noiser:
    """The noise that companions take away, on a device."""
    return noise_levels(device, CENTRE, WIDTH)


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


def kept_rows(folder: Path, kind: str, count: int, chunk: int, make: Callable[[range], Rows]) -> Rows:
    """Named tensors of `count` rows, made `chunk` rows at a time; what is in `folder` already is read."""
    parts: list[Rows] = []
    for numbers in (range(first, min(first + chunk, count)) for first in range(0, count, chunk)):
        path = folder / f"{kind}-{numbers.start:06d}-{len(numbers)}.safetensors"
        parts.append(kept(path, partial(make, numbers)))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
