"""Schedules: which noise levels a sampler visits.

A schedule is `(steps, levels, *, options) -> (steps,) float32 tensor` of sigmas above zero; `sigmas_for` completes it
and holds the law that all obey: steps + 1 values, falling strictly, the last 0. They are worked out in float32 and in
the order of k-diffusion's own operations, since Brownian trees are asked at exactly these numbers. Names are A1111's,
ComfyUI's are aliases. Where a model's table has fewer entries than steps, times between its entries are taken.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from easel.core.errors import BadValue, Unsupported
from easel.core.registry import Entry, Registry
from easel.sampling.levels import Levels
from easel.sampling.samplers import Sampler

if TYPE_CHECKING:
    from torch import Tensor

MOST_STEPS = 1000

Schedule = Callable[..., "Tensor"]

schedules: Registry[Schedule] = Registry("schedule", listing="`easel models schedules`")


def sigmas_for(
    sampler: Entry[Sampler],
    steps: int,
    levels: Levels,
    schedule: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[float, ...]:
    """Return the sigmas that `sampler` visits in `steps` steps: steps + 1 float32 values, falling strictly, the last 0.

    schedule: a registered name or alias; None and "Automatic" take the sampler's own habit.
    options: keyword arguments of the schedule; `sigma_min` and `sigma_max` narrow the model's levels for any schedule.
    Raises UnknownName for a schedule or an option, BadValue for a value out of range, Unsupported where the model
    cannot have this schedule.
    """
    if isinstance(steps, bool) or not 1 <= steps <= MOST_STEPS:
        raise BadValue("steps", steps, f"1 to {MOST_STEPS}")
    discard = bool(sampler.facts["discard_penultimate"])
    entry = resolved(sampler, levels, schedule)
    options = dict(options or {})
    levels = narrowed(levels, options.pop("sigma_min", None), options.pop("sigma_max", None))
    levelled = entry.make(steps + discard, levels, **entry.checked(options))
    above = cast("list[float]", levelled.tolist())  # pyright: ignore[reportUnknownMemberType]
    sigmas = (*above[:steps], 0.0)
    if not all(math.isfinite(a) and a > b for a, b in pairwise(sigmas)):
        raise BadValue("schedule options", dict(options), f"values with which {entry.name} falls at every step")
    return sigmas


def resolved(sampler: Entry[Sampler], levels: Levels, schedule: str | None) -> Entry[Schedule]:
    """Return the schedule that this name means for this sampler and model.

    Automatic is the sampler's own on tables; on flow the model's even steps, since Karras and its kin were
    made for sigmas without an upper end. Samplers that choose their own levels only need the model's ends.
    """
    if sampler.facts["own_levels"]:
        return schedules["Uniform"]
    entry = schedules[schedule or "Automatic"]
    if entry.name == "Automatic" and levels.table and sampler.facts["schedule"]:
        return schedules[sampler.facts["schedule"]]
    return entry


def narrowed(levels: Levels, sigma_min: float | None, sigma_max: float | None) -> Levels:
    """Return levels between other ends, as A1111's "Schedule min sigma" and "Schedule max sigma" ask."""
    for name, value in (("sigma_min", sigma_min), ("sigma_max", sigma_max)):
        if value is not None and not levels.sigma_min <= value <= levels.sigma_max:
            raise BadValue(name, value, f"{levels.sigma_min:.6g} to {levels.sigma_max:.6g}, the model's own levels")
    low = levels.sigma_min if sigma_min is None else float(sigma_min)
    high = levels.sigma_max if sigma_max is None else float(sigma_max)
    if low >= high:
        raise BadValue("sigma_min", low, f"below sigma_max, {high:.6g}")
    return dataclasses.replace(levels, sigma_min=low, sigma_max=high)


def positive(name: str, value: float) -> float:
    """Return an option that must lie above 0."""
    if not 0 < value <= 100:
        raise BadValue(name, value, "above 0, at most 100")
    return value


@schedules.register("Automatic", aliases=("automatic",))
def automatic(steps: int, levels: Levels) -> Tensor:
    """The model's own even steps: Uniform on a table, Simple on flow, whose lowest level is all but clean."""
    return uniform(steps, levels) if levels.table else simple(steps, levels)


@schedules.register("Uniform", aliases=("uniform",))
def uniform(steps: int, levels: Levels) -> Tensor:
    """Even in time from the last to the first, k-diffusion's get_sigmas."""
    import torch

    first, last = levels.times
    return levels.sigma_at(torch.linspace(last, first, steps))


@schedules.register("Karras", aliases=("karras",))
def karras(steps: int, levels: Levels, *, rho: float = 7.0) -> Tensor:
    """Even in sigma^(1/rho), Karras et al. 2022, equation 5 (arXiv 2206.00364)."""
    import torch

    ramp = torch.linspace(0, 1, steps)
    low, high = levels.sigma_min ** (1 / positive("rho", rho)), levels.sigma_max ** (1 / rho)
    return (high + ramp * (low - high)) ** rho


@schedules.register("Exponential", aliases=("exponential",))
def exponential(steps: int, levels: Levels) -> Tensor:
    """Even in log sigma."""
    import torch

    return torch.linspace(math.log(levels.sigma_max), math.log(levels.sigma_min), steps).exp()


@schedules.register("Polyexponential", aliases=("polyexponential",))
def polyexponential(steps: int, levels: Levels, *, rho: float = 1.0) -> Tensor:
    """Polynomial in log sigma, k-diffusion; rho 1 is Exponential."""
    import torch

    low, high = math.log(levels.sigma_min), math.log(levels.sigma_max)
    return torch.exp(torch.linspace(1, 0, steps) ** positive("rho", rho) * (high - low) + low)


@schedules.register("SGM Uniform", aliases=("sgm_uniform", "SGMUniform"))
def sgm_uniform(steps: int, levels: Levels) -> Tensor:
    """Even in time with one step more than Uniform and the last left out, as Stability's generative-models samples."""
    import torch

    first, last = levels.times
    return levels.sigma_at(torch.linspace(last, first, steps + 1)[:-1])


@schedules.register("KL Optimal", aliases=("kl_optimal",))
def kl_optimal(steps: int, levels: Levels) -> Tensor:
    """Even in arctan sigma, Sabour et al. 2024, appendix (arXiv 2404.14507)."""
    import torch

    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    return torch.tan(ramp * math.atan(levels.sigma_min) + (1 - ramp) * math.atan(levels.sigma_max)).float()


ALIGNED = {
    "sd1": (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029),
    "sdxl": (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029),
    "svd": (700.00, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002),
}


@schedules.register("Align Your Steps", aliases=("align_your_steps",))
def align_your_steps(steps: int, levels: Levels) -> Tensor:
    """The optimised levels of Sabour et al. 2024 (arXiv 2404.14507) for SD 1.5, SDXL or SVD, log-linear between."""
    import torch

    if not levels.table and levels.optimised != "svd":
        raise Unsupported("Align Your Steps has no levels for flow models; 'Simple' is their usual schedule.")
    logs = torch.tensor(ALIGNED[levels.optimised], dtype=torch.float64).log()
    place = torch.linspace(0, len(logs) - 1, steps, dtype=torch.float64)
    low = place.long().clamp(max=len(logs) - 2)
    return torch.lerp(logs[low], logs[low + 1], place - low).exp().float()


@schedules.register("Simple", aliases=("simple",))
def simple(steps: int, levels: Levels) -> Tensor:
    """Every (count / steps)th level from the last, A1111 and ComfyUI; entries of the table, or even times on flow."""
    import torch

    first, last = levels.times
    stride = (last - first + 1) / steps
    if stride < 1:
        return uniform(steps, levels)
    stops = torch.arange(steps, dtype=torch.float64) * stride
    return levels.entries_at(last - (stops.floor() if levels.table else stops))


@schedules.register("Normal", aliases=("normal",))
def normal(steps: int, levels: Levels) -> Tensor:
    """Even in time between the sampler's two ends; Uniform by ComfyUI's name."""
    return uniform(steps, levels)


@schedules.register("DDIM", aliases=("ddim", "ddim_uniform"))
def ddim(steps: int, levels: Levels) -> Tensor:
    """Times 1, 1 + c, 1 + 2c ... with c = count // steps, Song et al. 2020 (arXiv 2010.02502); diffusers' "leading"."""
    import torch

    first, last = levels.times
    stride = (int(last - first) + 1) // steps
    if stride < 1:
        return uniform(steps, levels)
    offset = min(1.0, last - first - stride * (steps - 1))
    return levels.entries_at(first + offset + stride * torch.arange(steps - 1, -1, -1))


@schedules.register("Beta", aliases=("beta",))
def beta(steps: int, levels: Levels, *, alpha: float = 0.6, beta: float = 0.6) -> Tensor:
    """Quantiles of a beta distribution, Lee et al. 2024 (arXiv 2407.12173), between the sigmas as A1111 has it."""
    import torch

    share = 1 - torch.linspace(0, 1, steps, dtype=torch.float64)
    place = beta_quantile(share, bounded("alpha", alpha), bounded("beta", beta))
    return (levels.sigma_min + place * (levels.sigma_max - levels.sigma_min)).float()


def bounded(name: str, value: float) -> float:
    """Return a parameter of the beta distribution within the range where its series is exact."""
    if not 0.1 <= value <= 10:
        raise BadValue(name, value, "0.1 to 10")
    return value


def beta_quantile(share: Tensor, a: float, b: float) -> Tensor:
    """Return where the regularised incomplete beta function I_x(a, b) equals `share`, float64.

    Up to x = 1/2 the series I_x(a, b) = x^a / B(a, b) sum_n (1 - b)_n x^n / (n! (a + n)) serves, and Newton's method
    in x^a, in which it is nearly straight; beyond, I_x(a, b) = 1 - I_{1-x}(b, a).
    """
    whole = math.exp(math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b))

    def lower(x: Tensor, a: float, b: float) -> Tensor:
        terms, rising = [1 / a], 1.0
        for n in range(1, 56):
            rising *= (n - b) / n
            terms.append(rising / (a + n))
        total = x * 0
        for term in reversed(terms):
            total = total * x + term
        return x**a / whole * total

    def search(share: Tensor, a: float, b: float) -> Tensor:
        power = share * a * whole
        for _ in range(12):
            x = power.clamp(0, 0.5**a) ** (1 / a)
            power = x**a - (lower(x, a, b) - share) * a * whole * (1 - x) ** (1 - b)
        return power.clamp(0, 0.5**a) ** (1 / a)

    half = lower(share * 0 + 0.5, a, b)
    return search(share, a, b).where(share <= half, 1 - search(1 - share, b, a))


@schedules.register("Linear Quadratic", aliases=("linear_quadratic",))
def linear_quadratic(steps: int, levels: Levels, *, threshold: float = 0.025) -> Tensor:
    """Half the steps linear within `threshold` of the noise, then a parabola to the clean picture; Genmo's Mochi 1."""
    import torch

    if not 0 < threshold < 0.5:
        raise BadValue("threshold", threshold, "above 0, below 0.5")
    slow = steps // 2
    if slow == 0:
        return torch.tensor([levels.sigma_max])
    fast = steps - slow
    gap = slow - threshold * steps
    square = gap / (slow * fast**2)
    slope = threshold / slow - 2 * gap / fast**2
    done = [i * threshold / slow for i in range(slow)]
    done += [square * (i * i + slow * slow) + slope * i for i in range(slow, steps)]
    return torch.tensor([(1 - share) * levels.sigma_max for share in done])


@schedules.register("Turbo", aliases=("turbo",))
def turbo(steps: int, levels: Levels) -> Tensor:
    """Times count i / steps - 1, on which the Turbo models were distilled (Sauer et al. 2023, arXiv 2311.17042)."""
    import torch

    first, last = levels.times
    stride = (last - first + 1) / steps
    if stride < 1:
        return uniform(steps, levels)
    times = first - 1 + stride * torch.arange(steps, 0, -1, dtype=torch.float64)
    return levels.entries_at(times.round().clamp(first, last))
