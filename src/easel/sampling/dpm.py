"""DPM-Solver on predicted noise, which chooses its own levels: DPM fast and DPM adaptive.

Lu et al. 2022 (arXiv 2206.00927). They go evenly or by error estimate in lambda from the first sigma to the last above
zero, and end there, as in k-diffusion.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from math import expm1
from typing import TYPE_CHECKING

from easel.sampling.path import Evaluation, Path
from easel.sampling.samplers import Noise, Sampling, ancestral, sampler

if TYPE_CHECKING:
    from torch import Tensor

Both = Generator[Evaluation, "Tensor", "tuple[Tensor, Tensor]"]
LEAST_STEP = 0.01  # of lambda; a smaller adaptive step is taken whatever its error, so that every run ends
MOST_TRIES = 10  # of one adaptive step, for the same reason


def solved(path: Path, x: Tensor, lam: float, lam_next: float, order: int, r1: float) -> Both:
    """Return x at lam_next by DPM-Solver-`order` and by the order below, from the same evaluations."""
    h, sigma, sigma_next = lam_next - lam, path.sigma(lam), path.sigma(lam_next)
    denoised = yield Evaluation(x, sigma)
    epsilon = path.noise_in(x, denoised, sigma)
    first = path.noised(denoised, epsilon, sigma_next)
    if order == 1:
        return first, first
    sigma_1 = path.sigma(lam + r1 * h)
    u_1 = path.noised(denoised, epsilon, sigma_1)
    bend_1 = path.noise_in(u_1, (yield Evaluation(u_1, sigma_1)), sigma_1) - epsilon
    second = first - sigma_next / (2 * r1) * expm1(h) * bend_1
    if order == 2:
        return second, first
    r2 = 2 / 3
    sigma_2 = path.sigma(lam + r2 * h)
    u_2 = path.noised(denoised, epsilon, sigma_2) - sigma_2 * r2 / r1 * (expm1(r2 * h) / (r2 * h) - 1) * bend_1
    bend_2 = path.noise_in(u_2, (yield Evaluation(u_2, sigma_2)), sigma_2) - epsilon
    return first - sigma_next / r2 * (expm1(h) / h - 1) * bend_2, second


def started(
    path: Path, x: Tensor, sigmas: Sequence[float]
) -> Generator[Evaluation, Tensor, tuple[Tensor, list[float]]]:
    """Return x and the sigmas above zero that are left to go over: out of pure noise, the first step is Euler's."""
    above = [sigma for sigma in sigmas if sigma > 0]
    if math.isinf(path.ratio(above[0])) or len(above) == 1:
        denoised = yield Evaluation(x, above[0])
        x = path.noised(denoised, path.noise_in(x, denoised, above[0]), sigmas[1])
        above = above[1:]
    return x, above


def split(path: Path, lam: float, lam_next: float, lam_end: float, eta: float) -> tuple[float, float]:
    """Return the lambda to step down to and the new noise (noise-to-signal) that leads back to lam_next."""
    down, _ = ancestral(path, path.sigma(lam), path.sigma(lam_next), eta)
    lam_down = min(lam_end, -math.log(down)) if down > 0 else lam_end
    return lam_down, math.sqrt(max(0.0, math.exp(-2 * lam_next) - math.exp(-2 * lam_down)))


def renoised(path: Path, x: Tensor, lam: float, lam_down: float, lam_next: float, up: float, noise: Noise) -> Tensor:
    """Return x, which stands at lam_down, with new noise at lam_next."""
    sigma_next = path.sigma(lam_next)
    alpha = path.alpha(sigma_next)
    x = alpha / path.alpha(path.sigma(lam_down)) * x
    return x + alpha * up * noise(path.sigma(lam), sigma_next) if up > 0 else x


@sampler(
    "DPM fast",
    "k_dpm_fast",
    "dpm_fast",
    own_levels=True,
    noise="independent",
    stochastic=True,
    ensd=True,
    order=3,
    paper="2206.00927",
)
def dpm_fast(
    path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Sampling:
    """DPM-Solver-fast: as many evaluations as steps, in steps of third order and a rest; A1111's eta is 1."""
    x, above = yield from started(path, x, sigmas)
    if len(above) < 2:
        return x
    calls = len(above)
    steps = calls // 3 + 1
    orders = [3] * (steps - 2) + [2, 1] if calls % 3 == 0 else [3] * (steps - 1) + [calls % 3]
    lam_start, lam_end = path.lam(above[0]), path.lam(above[-1])
    lams = [lam_start + (lam_end - lam_start) * i / steps for i in range(steps + 1)]
    for order, lam, lam_next in zip(orders, lams, lams[1:], strict=False):
        lam_down, up = split(path, lam, lam_next, lam_end, eta)
        x, _ = yield from solved(path, x, lam, lam_down, order, 1 / order)
        x = renoised(path, x, lam, lam_down, lam_next, up * s_noise, noise)
    return x / path.alpha(above[-1])


@dataclass(slots=True)
class StepSize:
    """A PID controller of the step h from error estimates, as k-diffusion sets it up."""

    h: float
    gains: tuple[float, float, float]
    accept_safety: float
    errors: list[float] = field(default_factory=list[float])
    tries: int = 0

    @staticmethod
    def of(h: float, p: float, i: float, d: float, order: float, accept_safety: float) -> StepSize:
        """Return a controller with proportional, integral and differential gains for a method of this order."""
        return StepSize(h, ((p + i + d) / order, -(p + 2 * d) / order, d / order), accept_safety)

    def accepts(self, error: float) -> bool:
        """Return whether the step of this error stands, and set the next step's h."""
        inverse = 1 / (error + 1e-8)
        self.errors = [inverse, *self.errors[1:]] if self.errors else [inverse] * 3
        factor = math.prod(value**gain for value, gain in zip(self.errors, self.gains, strict=True))
        factor = 1 + math.atan(factor - 1)
        self.tries += 1
        accepted = factor >= self.accept_safety or self.h < LEAST_STEP or self.tries == MOST_TRIES
        if accepted:
            self.tries = 0
            self.errors = [self.errors[0], *self.errors[:2]]
        self.h *= factor
        return accepted


@sampler(
    "DPM adaptive",
    "k_dpm_ad",
    "dpm_adaptive",
    own_levels=True,
    noise="independent",
    stochastic=True,
    ensd=True,
    shares_steps=True,
    order=3,
    paper="2206.00927",
    limits={"order": (2, 3)},
)
def dpm_adaptive(
    path: Path,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    order: int = 3,
    rtol: float = 0.05,
    atol: float = 0.0078,
    h_init: float = 0.05,
    pcoeff: float = 0.0,
    icoeff: float = 1.0,
    dcoeff: float = 0.0,
    accept_safety: float = 0.81,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Sampling:
    """DPM-Solver-12 and 23 with the step chosen by error, so that `steps` counts for nothing; A1111's eta is 1."""
    x, above = yield from started(path, x, sigmas)
    if len(above) < 2:
        return x
    lam, lam_end = path.lam(above[0]), path.lam(above[-1])
    size = StepSize.of(h_init, pcoeff, icoeff, dcoeff, 1.5 if eta else order, accept_safety)
    x_before = x / path.alpha(above[0])
    while lam < lam_end - 1e-5:
        lam_next = min(lam_end, lam + size.h)
        lam_down, up = split(path, lam, lam_next, lam_end, eta)
        high, low = yield from solved(path, x, lam, lam_down, order, 1 / order)
        alpha = path.alpha(path.sigma(lam_down))
        allowed = (rtol * (low / alpha).abs().maximum(x_before.abs())).clamp(min=atol)
        error = float((((low - high) / alpha / allowed) ** 2).mean().sqrt())
        if not math.isfinite(error):
            return high  # what a broken model says does not get better by smaller steps
        if size.accepts(error):
            x_before = low / alpha
            x = renoised(path, high, lam, lam_down, lam_next, up * s_noise, noise)
            lam = lam_next
    return x / path.alpha(above[-1])
