"""Draws with the model and a companion as people draw: DPM++ 2M in 20 steps, guidance 2.5, noise of each one's seed.

For sample sheets and figures while a companion is trained.  Knows neither what the companion is nor what leads it: a
network is a function of x, t.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from diffusers import AutoencoderKL

from easel.sampling.prediction import V
from easel.sampling.samplers import samplers, sampling
from easel.sampling.schedules import sigmas_for
from easel.training.companions.distillation import SCHEDULE, TEACHER, no_noise, starter_levels, starting_noise
from easel.training.networks.unet import SCALE

Network = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
BATCH = 16  # pictures drawn at a time


@torch.no_grad()
def drawn_latents(network: Network, seeds: Sequence[int], side: int, device: torch.device, steps: int) -> torch.Tensor:
    """Latents (n, 4, side, side), one for each seed.

    network: v (2 n, ...) of x (2 n, ...) at times t (2 n,); its first n rows are without words, the others with them.
    """
    levels = starter_levels()
    sigmas = sigmas_for(samplers[TEACHER], steps, levels, SCHEDULE)
    noise = starting_noise(seeds, side).to(device)
    walk = sampling(samplers[TEACHER], levels.path, noise * sigmas[0], sigmas, no_noise)
    try:
        asked = next(walk)
        while True:
            x = torch.cat([asked.x, asked.x])
            at = torch.full((len(x),), asked.sigma, device=device)
            seen = V.input(x, at).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16):
                v = network(seen, levels.timestep(at))
            without, with_words = V.denoised(v.float(), x, at).chunk(2)
            asked = walk.send(without + SCALE * (with_words - without))
    except StopIteration as end:
        return end.value


@torch.no_grad()
def drawn_pictures(
    autoencoder: AutoencoderKL,
    network: Callable[[slice], Network],
    seeds: Sequence[int],
    side: int,
    steps: int = 20,
) -> torch.Tensor:
    """Pictures (n, 3, H, W) in -1..1, BATCH at a time; `network` makes the network of a slice of them."""
    parts = []
    for first in range(0, len(seeds), BATCH):
        part = slice(first, min(first + BATCH, len(seeds)))
        latents = drawn_latents(network(part), seeds[part], side, autoencoder.device, steps)
        parts.append(autoencoder.decode(latents / autoencoder.config.scaling_factor).sample.float().clamp(-1, 1))
    return torch.cat(parts)
