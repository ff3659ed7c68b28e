"""Two newer multistep samplers on predicted x0: RES, and the extended reverse-time SDE solver."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from easel.sampling.adams import legendre
from easel.sampling.path import Evaluation, Path
from easel.sampling.samplers import Noise, Sampling, ancestral, pairs, sampler

if TYPE_CHECKING:
    from torch import Tensor


@sampler("Res Multistep", "res_multistep", noise="independent", order=2, paper="2308.02157")
def res_multistep(
    path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, eta: float = 0.0, s_noise: float = 1.0
) -> Sampling:
    """Refined exponential solver, multistep of second order, Zhang et al. 2023, section 4 (arXiv 2308.02157).

    phi_2(-h) integrates the slope of x0 in lambda exactly; eta draws a share of the noise anew.
    """
    old_denoised, h_last = None, math.inf
    for sigma, sigma_next in pairs(sigmas):
        denoised = yield Evaluation(x, sigma)
        down, up = ancestral(path, sigma, sigma_next, eta)
        gain = 1 - down / path.ratio(sigma)
        h = -math.log1p(-gain) if gain < 1 else math.inf
        d = gain * denoised
        if old_denoised is not None and math.isfinite(h):
            phi_2 = (1 - gain / h) / h
            d = d + h * h * phi_2 / h_last * (denoised - old_denoised)
        x = path.alpha(sigma_next) * (down / sigma * x + d)
        if up > 0:
            x = x + path.alpha(sigma_next) * up * s_noise * noise(sigma, sigma_next)
        old_denoised, h_last = denoised, h
    return x


@sampler(
    "Res Multistep a",
    "res_multistep_ancestral",
    noise="independent",
    stochastic=True,
    ensd=True,
    order=2,
    paper="2308.02157",
)
def res_multistep_ancestral(
    path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Sampling:
    """Refined exponential solver, a share of whose noise is drawn anew."""
    return (yield from res_multistep(path, x, sigmas, noise, eta=eta, s_noise=s_noise))


def noise_scale(s: float) -> float:
    """The function phi of ER-SDE 5, s (exp(s^0.3) + 10); Cui et al. 2023, appendix A.8."""
    return s * (math.exp(s**0.3) + 10)


def integral(start: float, end: float, power: int, about: float) -> float:
    """Return the integral of (s - about)^power / phi(s) from start to end, both above 0, evenly in log s."""
    low, high = math.log(start), math.log(end)
    total = 0.0
    for place, weight in legendre(12):
        s = math.exp((low + high) / 2 + (high - low) / 2 * place)
        total += weight * s * (s - about) ** power / noise_scale(s)
    return total * (high - low) / 2


@sampler(
    "ER-SDE", "er_sde", noise="independent", stochastic=True, order=3, paper="2309.06169", limits={"order": (1, 3)}
)
def er_sde(
    path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, order: int = 3, s_noise: float = 1.0
) -> Sampling:
    """Extended reverse-time SDE solver by Taylor expansion, Cui et al. 2023, algorithms 1 to 3 (arXiv 2309.06169)."""
    points: list[tuple[float, Tensor]] = []  # (s, x0) of the last evaluations, newest first
    for sigma, sigma_next in pairs(sigmas):
        denoised = yield Evaluation(x, sigma)
        s, t = path.ratio(sigma), path.ratio(sigma_next)
        if t == 0:
            return denoised
        alpha_next = path.alpha(sigma_next)
        if math.isinf(s):
            x = alpha_next * denoised + sigma_next * s_noise * noise(sigma, sigma_next)
            continue
        points = [(s, denoised), *points][:order]
        kept = noise_scale(t) / noise_scale(s)
        out = kept * x / path.alpha(sigma) + (1 - kept) * denoised
        if len(points) > 1:
            slope = slope_between(points[0], points[1])
            out = out + (t - s + integral(t, s, 0, s) * noise_scale(t)) * slope
            if len(points) > 2:
                curve = 2 * (slope - slope_between(points[1], points[2])) / (s - points[2][0])
                out = out + ((t - s) ** 2 / 2 + integral(t, s, 1, s) * noise_scale(t)) * curve
        x = alpha_next * out
        up = math.sqrt(max(0.0, t * t - (s * kept) ** 2))
        x = x + alpha_next * up * s_noise * noise(sigma, sigma_next)
    return x


def slope_between(new: tuple[float, Tensor], old: tuple[float, Tensor]) -> Tensor:
    """Return how fast x0 changes with s between two evaluations."""
    return (new[1] - old[1]) / (new[0] - old[0])
