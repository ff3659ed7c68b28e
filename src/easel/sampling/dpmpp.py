"""The DPM-Solver++ family: exponential integrators in lambda, the half log signal-to-noise ratio, on predicted x0.

Lu et al. 2022 (arXiv 2211.01095). A step is h = lambda' - lambda, infinite out of pure noise and into the clean
picture, where exp(-h) = 0 and the formulas keep their limit; a method that needs a point between takes its first order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import expm1
from typing import TYPE_CHECKING

from easel.sampling.path import Evaluation, Path
from easel.sampling.samplers import Noise, Sampling, ancestral, pairs, sampler

if TYPE_CHECKING:
    from torch import Tensor


@sampler("DPM++ 2M", "k_dpmpp_2m", "dpmpp_2m", schedule="Karras", order=2, paper="2211.01095")
def dpmpp_2m(path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    """DPM-Solver++(2M), algorithm 2 of Lu et al. 2022 (arXiv 2211.01095)."""
    old_denoised, h_last = None, math.inf
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


@sampler(
    "DPM++ 2S a",
    "k_dpmpp_2s_a",
    "dpmpp_2s_ancestral",
    schedule="Karras",
    noise="independent",
    stochastic=True,
    ensd=True,
    second_order=True,
    order=2,
    paper="2211.01095",
)
def dpmpp_2s_ancestral(
    path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Sampling:
    """DPM-Solver++(2S), algorithm 1 of Lu et al. 2022 (arXiv 2211.01095), a share of whose noise is drawn anew."""
    for sigma, sigma_next in pairs(sigmas):
        denoised = yield Evaluation(x, sigma)
        s, alpha_next = path.ratio(sigma), path.alpha(sigma_next)
        down, up = ancestral(path, sigma, sigma_next, eta)
        if down > 0 and math.isfinite(s):
            sigma_mid = path.sigma_of_ratio(math.sqrt(s * down))
            h = math.log(s / down)
            x_2 = sigma_mid / sigma * x - path.alpha(sigma_mid) * expm1(-h / 2) * denoised
            denoised = yield Evaluation(x_2, sigma_mid)
        x = alpha_next * (down / sigma * x + (1 - down / s) * denoised)
        if up > 0:
            x = x + alpha_next * up * s_noise * noise(sigma, sigma_next)
    return x


@sampler(
    "DPM++ SDE",
    "k_dpmpp_sde",
    "dpmpp_sde",
    "dpmpp_sde_gpu",
    schedule="Karras",
    noise="brownian",
    stochastic=True,
    second_order=True,
    order=2,
    paper="2211.01095",
)
def dpmpp_sde(
    path: Path,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
) -> Sampling:
    """DPM-Solver++ for the diffusion SDE with a point between, k-diffusion."""
    for sigma, sigma_next in pairs(sigmas):
        denoised = yield Evaluation(x, sigma)
        asked, asked_mid, asked_next = sigma, sigma, sigma_next
        d = denoised
        if sigma_next > 0 and math.isfinite(path.ratio(sigma)):
            asked, asked_mid, asked_next = asked_at(path, sigma, sigma_next, r)
            t = path.lam(sigma)
            sigma_mid = path.sigma(t + r * (path.lam(sigma_next) - t))
            down, up = ancestral(path, sigma, sigma_mid, eta)
            x_2 = path.alpha(sigma_mid) * (down / sigma * x + (1 - down / path.ratio(sigma)) * denoised)
            if up > 0:
                x_2 = x_2 + path.alpha(sigma_mid) * up * s_noise * noise(asked, asked_mid)
            denoised_2 = yield Evaluation(x_2, sigma_mid)
            d = (1 - 1 / (2 * r)) * denoised + 1 / (2 * r) * denoised_2
        down, up = ancestral(path, sigma, sigma_next, eta)
        x = path.alpha(sigma_next) * (down / sigma * x + (1 - down / path.ratio(sigma)) * d)
        if up > 0:
            x = x + path.alpha(sigma_next) * up * s_noise * noise(asked, asked_next)
    return x


def asked_at(path: Path, sigma: float, sigma_next: float, r: float) -> tuple[float, float, float]:
    """Return where DPM++ SDE asks the Brownian path: sigma, the point between and the next, as k-diffusion rounds them.

    The path is rough: a level that is off by one float32 rounding changes the noise in its third digit. k-diffusion
    goes to -log sigma and back in float32, and to draw its pictures one must ask where it asks.
    """
    import torch

    t, t_next = (torch.tensor(path.ratio(one)).log().neg() for one in (sigma, sigma_next))
    between = t + (t_next - t) * r
    at, mid, after = (path.sigma_of_ratio(float(one.neg().exp())) for one in (t, between, t_next))
    return at, mid, after


@sampler(
    "DPM++ 2M SDE",
    "k_dpmpp_2m_sde",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_gpu",
    schedule="Exponential",
    noise="brownian",
    stochastic=True,
    order=2,
    paper="2211.01095",
    limits={"solver": ("midpoint", "heun")},
)
def dpmpp_2m_sde(
    path: Path,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver: str = "midpoint",
) -> Sampling:
    """SDE-DPM-Solver++(2M), Lu et al. 2022, section 5 (arXiv 2211.01095); eta 0 is the ODE."""
    old_denoised, h_last = None, math.inf
    for sigma, sigma_next in pairs(sigmas):
        denoised = yield Evaluation(x, sigma)
        h = path.lam(sigma_next) - path.lam(sigma)
        if sigma_next == 0:
            return denoised
        eta_h = eta * h if eta else 0.0
        alpha_next = path.alpha(sigma_next)
        gain = -expm1(-h - eta_h)
        x = sigma_next / sigma * math.exp(-eta_h) * x + alpha_next * gain * denoised
        if old_denoised is not None:
            r = h_last / h
            bend = 0.5 * gain if solver == "midpoint" else 1 - gain / (h + eta_h)
            x = x + alpha_next * bend / r * (denoised - old_denoised)
        if eta:
            x = x + sigma_next * math.sqrt(-expm1(-2 * eta_h)) * s_noise * noise(sigma, sigma_next)
        old_denoised, h_last = denoised, h
    return x


@sampler(
    "DPM++ 2M SDE Heun",
    "k_dpmpp_2m_sde_heun",
    "dpmpp_2m_sde_heun",
    "dpmpp_2m_sde_heun_gpu",
    schedule="Exponential",
    noise="brownian",
    stochastic=True,
    order=2,
    paper="2211.01095",
)
def dpmpp_2m_sde_heun(
    path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Sampling:
    """SDE-DPM-Solver++(2M) whose second order is Heun's instead of the midpoint's."""
    return (yield from dpmpp_2m_sde(path, x, sigmas, noise, eta=eta, s_noise=s_noise, solver="heun"))


@sampler(
    "DPM++ 3M SDE",
    "k_dpmpp_3m_sde",
    "dpmpp_3m_sde",
    "dpmpp_3m_sde_gpu",
    schedule="Exponential",
    discard_penultimate=True,
    noise="brownian",
    stochastic=True,
    order=2,
    paper="2211.01095",
)
def dpmpp_3m_sde(
    path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Sampling:
    """SDE-DPM-Solver++ with two steps of memory, k-diffusion; phi_k are the exponential integrator's functions.

    d2 is half of h^2 times the second derivative where the third order asks for the whole, as in DPM-Solver's own code
    and k-diffusion's: their numbers are kept, and the order is 2.
    """
    denoised_1 = denoised_2 = None
    h_1 = h_2 = math.inf
    for sigma, sigma_next in pairs(sigmas):
        denoised = yield Evaluation(x, sigma)
        h = path.lam(sigma_next) - path.lam(sigma)
        if sigma_next == 0:
            return denoised
        h_eta = h + eta * h if eta else h
        alpha_next = path.alpha(sigma_next)
        x = sigma_next / sigma * (math.exp(-eta * h) if eta else 1) * x - alpha_next * expm1(-h_eta) * denoised
        phi_2 = expm1(-h_eta) / h_eta + 1
        if denoised_1 is not None and denoised_2 is not None:
            r0, r1 = h_1 / h, h_2 / h
            d1_0, d1_1 = (denoised - denoised_1) / r0, (denoised_1 - denoised_2) / r1
            share = 0.0 if math.isinf(h_2) else 1 / (r0 + r1)
            d1 = d1_0 + (d1_0 - d1_1) * (r0 * share)
            d2 = (d1_0 - d1_1) * share
            x = x + alpha_next * (phi_2 * d1 - (phi_2 / h_eta - 0.5) * d2)
        elif denoised_1 is not None:
            x = x + alpha_next * phi_2 * (h / h_1) * (denoised - denoised_1)
        if eta:
            x = x + sigma_next * math.sqrt(-expm1(-2 * h * eta)) * s_noise * noise(sigma, sigma_next)
        denoised_1, denoised_2 = denoised, denoised_1
        h_1, h_2 = h, h_1
    return x
