"""Samplers for distilled models of a few steps, which predict x0 from any level at once: LCM and TCD."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from easel.sampling.levels import Levels
from easel.sampling.path import Evaluation, Path
from easel.sampling.samplers import Noise, Sampling, pairs, sampler

if TYPE_CHECKING:
    from torch import Tensor


@sampler("LCM", "k_lcm", "lcm", schedule="SGM Uniform", noise="independent", stochastic=True, paper="2310.04378")
def lcm(path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    """Latent consistency models, Luo et al. 2023, algorithm 3 (arXiv 2310.04378): all noise is drawn anew."""
    for sigma, sigma_next in pairs(sigmas):
        x = yield Evaluation(x, sigma)
        if sigma_next > 0:
            x = path.noised(x, noise(sigma, sigma_next), sigma_next)
    return x


@sampler(
    "TCD",
    "tcd",
    schedule="SGM Uniform",
    noise="independent",
    stochastic=True,
    paper="2402.19159",
    limits={"eta": (0, 1)},
)
def tcd(path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, eta: float = 0.3) -> Sampling:
    """Trajectory consistency distillation, Zheng et al. 2024, algorithm 4 (arXiv 2402.19159).

    eta is the paper's gamma: the trajectory is followed to the time (1 - gamma) t', then noised up to t'.
    """
    for sigma, sigma_next in pairs(sigmas):
        denoised = yield Evaluation(x, sigma)
        epsilon = path.noise_in(x, denoised, sigma)
        t = path.ratio(sigma_next)
        down = earlier(t, 1 - eta) if t > 0 and eta > 0 else t
        x = path.alpha(sigma_next) * (denoised + down * epsilon)
        if down < t:
            x = x + path.alpha(sigma_next) * math.sqrt(t * t - down * down) * noise(sigma, sigma_next)
    return x


@cache
def stable_diffusion() -> Levels:
    """The table of Stable Diffusion's levels, whose time TCD was distilled in; it serves every path."""
    return Levels.from_betas()


def earlier(ratio: float, share: float) -> float:
    """Return the noise-to-signal ratio at `share` of the time at which Stable Diffusion has this ratio."""
    import torch

    levels = stable_diffusion()
    t = levels.time_of(torch.tensor([ratio], dtype=torch.float64))
    return min(ratio, float(levels.sigma_at(t * share)))
