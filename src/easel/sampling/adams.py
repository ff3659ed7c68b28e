"""Multistep samplers of Adams and Bashforth's kind: a polynomial through the last few epsilons is integrated ahead.

On the noise-to-signal scale s = sigma / alpha the ODE is dx/ds = epsilon, so a step adds weighed epsilons whose
weights sum to s' - s. What is known in pure noise, at s infinite, joins no polynomial.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from easel.sampling.path import Evaluation, Path
from easel.sampling.samplers import Noise, Sampling, pairs, sampler

if TYPE_CHECKING:
    from torch import Tensor

Clock = Callable[[float], float]


def advanced(
    path: Path, denoised: Tensor, epsilons: Sequence[Tensor], weights: Sequence[float], sigma: float
) -> Tensor:
    """Return x at `sigma` from x0 and the epsilons, newest first, each but the first with its weight.

    The first one's weight is what the others leave of s' - s, so this is Euler's step and a correction.
    """
    x = path.noised(denoised, epsilons[0], sigma)
    for weight, epsilon in zip(weights, epsilons[1:], strict=True):
        x = x + path.alpha(sigma) * weight * (epsilon - epsilons[0])
    return x


def lagrange_weights(knots: Sequence[float], t: float, clock: Clock) -> list[float]:
    """Return the integrals from knots[0] to t of the Lagrange polynomials on clock(knots), for all knots but the first.

    Gauss and Legendre's 12 points, laid in log s where the clock is curved; t is above 0 there.
    """
    if len(knots) == 1:
        return []
    u = [clock(knot) for knot in knots]
    curved = clock is not straight
    low, high = (math.log(knots[0]), math.log(t)) if curved else (knots[0], t)
    weights = [0.0] * len(knots)
    for place, weight in legendre(12):
        s = (low + high) / 2 + (high - low) / 2 * place
        s, ds = (math.exp(s), math.exp(s)) if curved else (s, 1.0)
        for j in range(1, len(knots)):
            others = [k for k in range(len(knots)) if k != j]
            value = math.prod((clock(s) - u[k]) / (u[j] - u[k]) for k in others)
            weights[j] += weight * (high - low) / 2 * ds * value
    return weights[1:]


@cache
def legendre(count: int) -> list[tuple[float, float]]:
    """Return the places in -1..1 and the weights of Gauss and Legendre's quadrature, by Newton's method."""
    found: list[tuple[float, float]] = []
    for i in range(count):
        x, slope = math.cos(math.pi * (i + 0.75) / (count + 0.5)), 1.0
        for _ in range(8):
            before, here = 1.0, x
            for n in range(2, count + 1):
                before, here = here, ((2 * n - 1) * x * here - (n - 1) * before) / n
            slope = count * (x * here - before) / (x * x - 1)
            x -= here / slope
        found.append((x, 2 / ((1 - x * x) * slope * slope)))
    return found


def straight(s: float) -> float:
    """The clock of a polynomial in s itself."""
    return s


TAB_SIGMAS, TAB_START = (0.002, 80.0), 1e-3  # the range on which DEIS lays its variance preserving time


def variance_preserving(s: float) -> float:
    """The clock of tAB-DEIS: the time at which linear betas between EDM's sigmas reach s; diff-sampler's edm2t."""
    first, last = (math.log(sigma * sigma + 1) for sigma in TAB_SIGMAS)
    rise = 2 * (first / TAB_START - last) / (TAB_START - 1)
    start = last - rise / 2
    return (math.sqrt(start * start + 2 * rise * math.log(s * s + 1)) - start) / rise


def multistep(
    path: Path, x: Tensor, sigmas: Sequence[float], order: int, clock: Clock, *, to_zero: bool = True
) -> Sampling:
    """Adams and Bashforth's method of this order with a polynomial on this clock; to_zero also for the last step."""
    knots: list[float] = []
    epsilons: list[Tensor] = []
    for sigma, sigma_next in pairs(sigmas):
        denoised = yield Evaluation(x, sigma)
        epsilon = path.noise_in(x, denoised, sigma)
        s, t = path.ratio(sigma), path.ratio(sigma_next)
        if math.isinf(s):
            x = path.noised(denoised, epsilon, sigma_next)
            continue
        knots, epsilons = [s, *knots][:order], [epsilon, *epsilons][:order]
        used = len(knots) if t > 0 or to_zero else 1
        x = advanced(path, denoised, epsilons[:used], lagrange_weights(knots[:used], t, clock), sigma_next)
    return x


@sampler("IPNDM_V", "ipndm_v", order=4, paper="2204.13902")
@sampler("LMS", "k_lms", "lms", order=4, paper="2206.00364")
def lms(path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, order: int = 4) -> Sampling:
    """Linear multistep, Adams and Bashforth's method for unequal steps in s; k-diffusion."""
    return (yield from multistep(path, x, sigmas, order, straight))


CLOCKS: dict[str, Clock] = {"tab": variance_preserving, "logrho": math.log, "rhoab": straight}


@sampler("DEIS", "deis", order=3, paper="2204.13902", limits={"mode": tuple(CLOCKS)})
def deis(
    path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, order: int = 3, mode: str = "tab"
) -> Sampling:
    """Diffusion exponential integrator, Zhang & Chen 2022 (arXiv 2204.13902).

    mode: where the polynomial is one: "tab" in variance preserving time, "logrho" in log s, "rhoab" in s.
    """
    return (yield from multistep(path, x, sigmas, order, CLOCKS[mode], to_zero=False))


EQUAL_STEPS = ((), (-1 / 2,), (-16 / 12, 5 / 12), (-59 / 24, 37 / 24, -9 / 24))


@sampler("IPNDM", "ipndm", order=2, paper="2204.13902")
def ipndm(path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, order: int = 4) -> Sampling:
    """Improved PNDM, Zhang & Chen 2022, appendix (arXiv 2204.13902): weights of equal steps, whatever the steps are."""
    epsilons: list[Tensor] = []
    for sigma, sigma_next in pairs(sigmas):
        denoised = yield Evaluation(x, sigma)
        epsilon = path.noise_in(x, denoised, sigma)
        x = path.noised(denoised, epsilon, sigma_next)
        step = path.ratio(sigma_next) - path.ratio(sigma)
        if math.isfinite(step):
            epsilons = [epsilon, *epsilons][:order]
            weights = [step * weight for weight in EQUAL_STEPS[len(epsilons) - 1]]
            x = advanced(path, denoised, epsilons, weights, sigma_next)
    return x


@sampler("PLMS", "plms", schedule="DDIM", order=2, paper="2202.09778")
def plms(path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    """Pseudo linear multistep, Liu et al. 2022 (arXiv 2202.09778): IPNDM that begins with a step of Heun's."""
    epsilons: list[Tensor] = []
    for sigma, sigma_next in pairs(sigmas):
        denoised = yield Evaluation(x, sigma)
        epsilon = path.noise_in(x, denoised, sigma)
        step = path.ratio(sigma_next) - path.ratio(sigma)
        x = path.noised(denoised, epsilon, sigma_next)
        if not math.isfinite(step):
            continue
        epsilons = [epsilon, *epsilons][:4]
        if len(epsilons) > 1:
            weights = [step * weight for weight in EQUAL_STEPS[len(epsilons) - 1]]
            x = advanced(path, denoised, epsilons, weights, sigma_next)
        elif sigma_next > 0:
            ahead = path.noise_in(x, (yield Evaluation(x, sigma_next)), sigma_next)
            x = advanced(path, denoised, [epsilon, ahead], [step / 2], sigma_next)
    return x
