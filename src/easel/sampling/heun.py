"""Samplers of several evaluations a step, without memory: Heun's method and the midpoint of DPM-Solver-2.

They average epsilon on the noise-to-signal scale s = sigma / alpha, where dx/ds = epsilon. The first step out of pure
noise (s infinite) and the last into the clean picture are Euler's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from easel.sampling.onestep import churned
from easel.sampling.path import Evaluation, Path
from easel.sampling.samplers import Noise, Sampling, ancestral, pairs, sampler

if TYPE_CHECKING:
    from torch import Tensor


def heun_step(path: Path, x: Tensor, sigma: float, sigma_next: float) -> Sampling:
    """One step of Heun's method, Karras et al. 2022, algorithm 1."""
    denoised = yield Evaluation(x, sigma)
    d = path.noise_in(x, denoised, sigma)
    x = path.noised(denoised, d, sigma_next)
    s, t = path.ratio(sigma), path.ratio(sigma_next)
    if t == 0 or math.isinf(s):
        return x
    d_2 = path.noise_in(x, (yield Evaluation(x, sigma_next)), sigma_next)
    return x + path.alpha(sigma_next) * (t - s) / 2 * (d_2 - d)


@sampler("Heun", "k_heun", "heun", noise="independent", second_order=True, order=2, paper="2206.00364")
def heun(
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
    """Heun steps of algorithm 2, Karras et al. 2022 (arXiv 2206.00364)."""
    for sigma, sigma_next in pairs(sigmas):
        x, sigma_hat = churned(path, x, sigma, noise, s_churn / (len(sigmas) - 1), s_tmin, s_tmax, s_noise)
        x = yield from heun_step(path, x, sigma_hat, sigma_next)
    return x


def midpoint(path: Path, x: Tensor, sigma: float, down: float, sigma_next: float) -> Sampling:
    """One step of DPM-Solver-2 to the ratio `down`, the result on the scale of `sigma_next`."""
    denoised = yield Evaluation(x, sigma)
    d = path.noise_in(x, denoised, sigma)
    s, alpha = path.ratio(sigma), path.alpha(sigma_next)
    if down == 0 or math.isinf(s):
        return alpha * (denoised + down * d)
    sigma_mid = path.sigma_of_ratio(math.sqrt(s * down))
    x_2 = path.noised(denoised, d, sigma_mid)
    d_2 = path.noise_in(x_2, (yield Evaluation(x_2, sigma_mid)), sigma_mid)
    return alpha * (denoised + down * d + (down - s) * (d_2 - d))


@sampler(
    "DPM2",
    "k_dpm_2",
    "dpm_2",
    schedule="Karras",
    discard_penultimate=True,
    noise="independent",
    second_order=True,
    order=2,
    paper="2206.00927",
)
def dpm_2(
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
    """DPM-Solver-2, Lu et al. 2022 (arXiv 2206.00927), with the churn of Karras et al. 2022."""
    for sigma, sigma_next in pairs(sigmas):
        x, sigma_hat = churned(path, x, sigma, noise, s_churn / (len(sigmas) - 1), s_tmin, s_tmax, s_noise)
        x = yield from midpoint(path, x, sigma_hat, path.ratio(sigma_next), sigma_next)
    return x


@sampler(
    "DPM2 a",
    "k_dpm_2_a",
    "k_dpm_2_ancestral",
    "dpm_2_ancestral",
    schedule="Karras",
    discard_penultimate=True,
    noise="independent",
    stochastic=True,
    ensd=True,
    second_order=True,
    order=2,
    paper="2206.00927",
)
def dpm_2_ancestral(
    path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Sampling:
    """DPM-Solver-2 steps, a share of whose noise is drawn anew; k-diffusion."""
    for sigma, sigma_next in pairs(sigmas):
        down, up = ancestral(path, sigma, sigma_next, eta)
        x = yield from midpoint(path, x, sigma, down, sigma_next)
        if up > 0:
            x = x + path.alpha(sigma_next) * up * s_noise * noise(sigma, sigma_next)
    return x


@sampler("HeunPP2", "heunpp2", "Heun++", noise="independent", second_order=True)
def heunpp2(
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
    """Heun++, Carzit's sd-webui-samplers-scheduler: up to three slopes ahead, weighed by their share of the first s."""
    top = next(s for s in map(path.ratio, sigmas) if math.isfinite(s))
    for (sigma, sigma_next), after in zip(pairs(sigmas), (*sigmas[2:], None), strict=True):
        x, sigma_hat = churned(path, x, sigma, noise, s_churn / (len(sigmas) - 1), s_tmin, s_tmax, s_noise)
        denoised = yield Evaluation(x, sigma_hat)
        d = path.noise_in(x, denoised, sigma_hat)
        x = path.noised(denoised, d, sigma_next)
        s, t = path.ratio(sigma_hat), path.ratio(sigma_next)
        if after is None or sigma_next == 0 or math.isinf(s):
            continue
        slopes = 3 if after > 0 else 2
        denoised = yield Evaluation(x, sigma_next)
        d_2 = path.noise_in(x, denoised, sigma_next)
        bend = t / (slopes * top) * (d_2 - d)
        if slopes == 3:
            x_3 = path.noised(denoised, d_2, after)
            d_3 = path.noise_in(x_3, (yield Evaluation(x_3, after)), after)
            bend = bend + path.ratio(after) / (slopes * top) * (d_3 - d)
        x = x + path.alpha(sigma_next) * (t - s) * bend
    return x


RESTART_LOW, RESTART_HIGH = 0.1, 2.0  # the interval that is gone through again, as A1111 sets it


@sampler(
    "Restart",
    "restart",
    schedule="Karras",
    noise="independent",
    stochastic=True,
    second_order=True,
    order=2,
    paper="2306.14878",
)
def restart(path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, s_noise: float = 1.0) -> Sampling:
    """Heun steps that go back up and down again over low noise, Xu et al. 2023 (arXiv 2306.14878).

    From 20 steps on, the given sigmas' ends are spread anew as Karras with some steps kept for restarts, as in A1111.
    """
    at = path.ratio(sigmas[0])
    for s, t in restarted([path.ratio(sigma) for sigma in sigmas]):
        sigma, sigma_next = path.sigma_of_ratio(s), path.sigma_of_ratio(t)
        if s > at:
            alpha, before = path.alpha(sigma), path.sigma_of_ratio(at)
            fresh = math.sqrt(s * s - at * at) * s_noise * noise(before, sigma)
            x = alpha / path.alpha(before) * x + alpha * fresh
        x = yield from heun_step(path, x, sigma, sigma_next)
        at = t
    return x


def restarted(ratios: Sequence[float]) -> list[tuple[float, float]]:
    """Return the steps between noise-to-signal ratios that Restart takes, as many as were given."""
    steps = len(ratios) - 1
    if steps < 20:
        return list(pairwise(ratios))
    again, times = (steps // 4, 2) if steps >= 36 else (9, 1)
    kept = [ratios[0]] if math.isinf(ratios[0]) else []
    main = [*kept, *spread(ratios[len(kept)], ratios[-2], steps - again * times - len(kept)), 0.0]
    low, high = (min(main, key=lambda s: abs(s - bound)) for bound in (RESTART_LOW, RESTART_HIGH))
    taken = list(pairwise(main))
    if low >= high:
        return taken
    place = main.index(low)
    return taken[:place] + list(pairwise(spread(high, low, again + 1))) * times + taken[place:]


def spread(high: float, low: float, count: int) -> list[float]:
    """Return `count` ratios from high to low, even in their seventh root; Karras et al. 2022, equation 5."""
    a, b = high ** (1 / 7), low ** (1 / 7)
    between = [(a + (b - a) * i / (count - 1)) ** 7 for i in range(1, count - 1)]
    return [high, *between, low]
