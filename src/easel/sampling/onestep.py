"""Samplers without memory, one evaluation a step: Euler and its kin.

All of them are x' = alpha' x0 + sigma' epsilon for some choice of which noise to keep and which to draw anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from easel.sampling.path import Evaluation, Path
from easel.sampling.samplers import Noise, Sampling, ancestral, pairs, sampler

if TYPE_CHECKING:
    from torch import Tensor


def churned(
    path: Path, x: Tensor, sigma: float, noise: Noise, churn: float, s_tmin: float, s_tmax: float, s_noise: float
) -> tuple[Tensor, float]:
    """Return x and sigma with noise added, lines 4 to 6 of algorithm 2 in Karras et al. 2022.

    churn: S_churn / steps. Noise is drawn at every step when there is any churn, as k-diffusion draws it.
    """
    if churn <= 0:
        return x, sigma
    fresh = noise(sigma, sigma) * s_noise
    s = path.ratio(sigma)
    if not s_tmin <= s <= s_tmax or math.isinf(s):
        return x, sigma
    s_hat = s * (1 + min(churn, 2**0.5 - 1))
    sigma_hat = path.sigma_of_ratio(s_hat)
    alpha_hat = path.alpha(sigma_hat)
    return alpha_hat / path.alpha(sigma) * x + alpha_hat * (s_hat**2 - s**2) ** 0.5 * fresh, sigma_hat


@sampler("Euler", "k_euler", "euler", noise="independent", paper="2206.00364")
def euler(
    path: Path,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = math.inf,
    s_noise: float = 1.0,
) -> Sampling:
    """Euler steps of algorithm 2 in Karras et al. 2022 (arXiv 2206.00364)."""
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
    """Euler steps, a share of whose noise is drawn anew, k-diffusion."""
    for sigma, sigma_next in pairs(sigmas):
        denoised = yield Evaluation(x, sigma)
        epsilon = path.noise_in(x, denoised, sigma)
        down, up = ancestral(path, sigma, sigma_next, eta)
        x = path.alpha(sigma_next) * denoised + down * epsilon
        if sigma_next > 0:
            x = x + up * s_noise * noise(sigma, sigma_next)
    return x
