"""Samplers without memory, one evaluation a step: Euler and its kin.

All of them are x' = alpha' x0 + sigma' epsilon for some choice of which noise to keep and which to draw anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from easel.sampling.path import Evaluation, Path
from easel.sampling.samplers import Noise, PairSampling, Sampling, ancestral, pairs, sampler

if TYPE_CHECKING:
    from torch import Tensor


def churned(
    path: Path, x: Tensor, sigma: float, noise: Noise, churn: float, s_tmin: float, s_tmax: float, s_noise: float
) -> tuple[Tensor, float]:
    """Return x and sigma with noise added, lines 4 to 6 of algorithm 2 in Karras et al. 2022.

    churn: S_churn / steps. s_tmax: 0 is no limit, as in A1111. Noise is drawn at every step when there is any churn,
    so that later draws do not depend on the limits; k-diffusion does so too.
    """
    if churn <= 0:
        return x, sigma
    fresh = noise(sigma, sigma) * s_noise
    s = path.ratio(sigma)
    if not s_tmin <= s <= (s_tmax or math.inf) or math.isinf(s):
        return x, sigma
    s_hat = s * (1 + min(churn, 2**0.5 - 1))
    sigma_hat = path.sigma_of_ratio(s_hat)
    alpha_hat = path.alpha(sigma_hat)
    return alpha_hat / path.alpha(sigma) * x + alpha_hat * math.sqrt(s_hat**2 - s**2) * fresh, sigma_hat


@sampler("Euler", "k_euler", "euler", noise="independent", paper="2206.00364")
def euler(
    path: Path,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = 0.0,
    s_noise: float = 1.0,
) -> Sampling:
    """Euler steps of algorithm 2, Karras et al. 2022 (arXiv 2206.00364)."""
    for sigma, sigma_next in pairs(sigmas):
        x, sigma_hat = churned(path, x, sigma, noise, s_churn / (len(sigmas) - 1), s_tmin, s_tmax, s_noise)
        denoised = yield Evaluation(x, sigma_hat)
        epsilon = path.noise_in(x, denoised, sigma_hat)
        x = path.noised(denoised, epsilon, sigma_next)
    return x


@sampler(
    "Euler a", "k_euler_a", "k_euler_ancestral", "euler_ancestral", noise="independent", stochastic=True, ensd=True
)
def euler_ancestral(
    path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Sampling:
    """Euler steps, a share of whose noise is drawn anew; k-diffusion."""
    for sigma, sigma_next in pairs(sigmas):
        denoised = yield Evaluation(x, sigma)
        epsilon = path.noise_in(x, denoised, sigma)
        down, up = ancestral(path, sigma, sigma_next, eta)
        x = path.alpha(sigma_next) * (denoised + down * epsilon)
        if up > 0:
            x = x + path.alpha(sigma_next) * up * s_noise * noise(sigma, sigma_next)
    return x


@sampler("DDIM", "ddim", schedule="DDIM", noise="independent", paper="2010.02502")
def ddim(path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, eta: float = 0.0) -> Sampling:
    """Denoising diffusion implicit models, Song et al. 2020, equation 12 (arXiv 2010.02502)."""
    return (yield from euler_ancestral(path, x, sigmas, noise, eta=eta))


@sampler("DDPM", "ddpm", noise="independent", stochastic=True, paper="2006.11239")
def ddpm(path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    """Ancestral sampling by the posterior q(x' | x, x0), Ho et al. 2020, equations 6 and 7 (arXiv 2006.11239)."""
    for sigma, sigma_next in pairs(sigmas):
        denoised = yield Evaluation(x, sigma)
        alpha, alpha_next = path.alpha(sigma), path.alpha(sigma_next)
        kept = (path.ratio(sigma_next) / path.ratio(sigma)) ** 2
        x = alpha_next * (1 - kept) * denoised + sigma_next**2 / sigma**2 * (alpha / alpha_next) * x
        if sigma_next > 0:
            x = x + sigma_next * math.sqrt(1 - kept) * noise(sigma, sigma_next)
    return x


@sampler("Euler CFG++", "euler_cfg_pp", noise="independent", pair=True, paper="2406.08070")
@sampler(
    "DDIM CFG++",
    "ddim_cfgpp",
    schedule="DDIM",
    noise="independent",
    pair=True,
    scale_factor=1 / 12.5,
    paper="2406.08070",
)
def ddim_cfgpp(path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, eta: float = 0.0) -> PairSampling:
    """DDIM that takes guided x0 but the noise of the unconditional one, Chung et al. 2024 (arXiv 2406.08070)."""
    for sigma, sigma_next in pairs(sigmas):
        denoised, unconditional = yield Evaluation(x, sigma, unconditional=True)
        epsilon = path.noise_in(x, unconditional, sigma)
        down, up = ancestral(path, sigma, sigma_next, eta)
        x = path.alpha(sigma_next) * (denoised + down * epsilon)
        if up > 0:
            x = x + path.alpha(sigma_next) * up * noise(sigma, sigma_next)
    return x
