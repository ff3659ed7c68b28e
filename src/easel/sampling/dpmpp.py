"""The DPM-Solver++ family: exponential integrators in lambda, the half log signal-to-noise ratio, on predicted x0.

Lu et al. 2022 (arXiv 2211.01095). A step is h = lambda' - lambda, infinite out of pure noise and into the clean
picture, where exp(-h) = 0 and the formulas keep their limit; a method that needs a point between takes its first order.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import expm1
from typing import TYPE_CHECKING

from easel.sampling.path import Evaluation, Path
from easel.sampling.samplers import Noise, Sampling, pairs, sampler

if TYPE_CHECKING:
    from torch import Tensor


@sampler("DPM++ 2M", "k_dpmpp_2m", "dpmpp_2m", schedule="Karras", order=2, paper="2211.01095")
def dpmpp_2m(path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    """DPM-Solver++(2M), algorithm 2 of Lu et al. 2022 (arXiv 2211.01095)."""
    old_denoised, h_last = None, 0.0
    for sigma, sigma_next in pairs(sigmas):
        denoised = yield Evaluation(x, sigma)
        h = path.lam(sigma_next) - path.lam(sigma)
        d = denoised
        if old_denoised is not None and sigma_next > 0:
            r = h_last / h
            d = (1 + 1 / (2 * r)) * denoised - 1 / (2 * r) * old_denoised
        x = sigma_next / sigma * x - path.alpha(sigma_next) * expm1(-h) * d
        old_denoised, h_last = denoised, h
    return x
