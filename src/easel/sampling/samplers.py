"""The registry of samplers, and the words that every sampler's file shares.

A sampler is a generator `(path, x, sigmas, noise, *, options)`: it yields an Evaluation, is sent `denoised`, and
returns the clean x. Its history is local variables. It knows nothing of models, devices, batching or guidance.
Options that are noise levels (s_tmin ...) stand on the noise-to-signal scale of `path.ratio`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from easel.core.errors import BadValue
from easel.core.registry import Entry, Registry
from easel.sampling.path import Evaluation, Path

if TYPE_CHECKING:
    from torch import Tensor

Noise = Callable[[float, float], "Tensor"]  # noise(sigma, sigma_next): unit variance, like x
Sampling = Generator[Evaluation, "Tensor", "Tensor"]
PairSampling = Generator[Evaluation, "tuple[Tensor, Tensor]", "Tensor"]
Sampler = Callable[..., Generator[Evaluation, Any, "Tensor"]]
Limits = tuple[float, float] | tuple[str, ...]  # least and greatest, or the words allowed

samplers: Registry[Sampler] = Registry("sampler", listing="`easel models samplers`")

LIMITS: Mapping[str, Limits] = {
    "eta": (0, 10),
    "s_churn": (0, 1000),
    "s_tmin": (0, 1e6),
    "s_tmax": (0, 1e6),
    "s_noise": (0, 10),
    "order": (1, 4),
    "r": (0.05, 1),
    "rtol": (1e-6, 1),
    "atol": (1e-6, 1),
    "h_init": (1e-3, 10),
    "pcoeff": (-2, 2),
    "icoeff": (-2, 2),
    "dcoeff": (-2, 2),
    "accept_safety": (0.1, 0.95),
}


def sampler(
    name: str,
    *aliases: str,
    schedule: str | None = None,
    own_levels: bool = False,
    noise: str = "none",
    stochastic: bool = False,
    second_order: bool = False,
    discard_penultimate: bool = False,
    ensd: bool = False,
    pair: bool = False,
    scale_factor: float = 1.0,
    shares_steps: bool = False,
    order: int = 1,
    paper: str = "",
    limits: Mapping[str, Limits] | None = None,
) -> Callable[[Sampler], Sampler]:
    """Register a sampler under A1111's label with what doors, schedules and recipes ask about it.

    schedule: what Automatic means for it; None leaves it to the model.
    own_levels: chooses its levels itself between the model's ends, so that no schedule matters to it.
    noise: which noise it asks for when it does: "none", "independent" or "brownian".
    stochastic: asks for noise with its options as they stand.
    second_order: two evaluations a step, so that A1111 counts prompt editing in evaluations.
    discard_penultimate: A1111 leaves out the last sigma above zero.
    ensd: A1111 writes "ENSD" into infotext for it.
    pair: yields unconditional evaluations (CFG++), with the guidance scale times `scale_factor`.
    shares_steps: its step sizes come from all pictures of a batch together; sampled alone, a picture may differ.
    order: the order at which it converges on a smooth ODE, without noise.
    paper: an arXiv id.
    limits: what its options may be, where that is not LIMITS.
    """
    return samplers.register(
        name,
        aliases=aliases,
        schedule=schedule,
        own_levels=own_levels,
        noise=noise,
        stochastic=stochastic,
        second_order=second_order,
        discard_penultimate=discard_penultimate,
        ensd=ensd,
        pair=pair,
        scale_factor=scale_factor,
        shares_steps=shares_steps,
        order=order,
        paper=paper,
        limits={**LIMITS, **(limits or {})},
    )


def checked_options(sampler: Entry[Sampler], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options` when the sampler has them all and their values can be; else raise UnknownName or BadValue."""
    given = sampler.checked(options)
    for name, value in given.items():
        limits = sampler.facts["limits"].get(name)
        if limits and isinstance(limits[0], str):
            if value not in limits:
                raise BadValue(f"option {name} of {sampler.name}", value, " or ".join(limits))
        elif limits and not limits[0] <= value <= limits[1]:
            raise BadValue(f"option {name} of {sampler.name}", value, f"{limits[0]:g} to {limits[1]:g}")
    return given


def sampling(
    sampler: Entry[Sampler],
    path: Path,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    options: Mapping[str, Any] | None = None,
) -> Generator[Evaluation, Any, Tensor]:
    """Return the sampler's generator, its options checked.

    x: (n, channels, height, width) float32 noise at sigmas[0]. sigmas: falling strictly, the last 0, from `sigmas_for`.
    """
    return sampler.make(path, x, sigmas, noise, **checked_options(sampler, options or {}))


def split_joint_name(name: str) -> tuple[str, str | None]:
    """Return (sampler, schedule) of an old joint name such as "DPM++ 2M Karras" or "k_dpmpp_2m_ka", by their labels.

    A sampler's own name or alias comes back as its label with None. Raises UnknownName for anything else.
    """
    endings = {" karras": "Karras", " exponential": "Exponential", " sgmuniform": "SGM Uniform", "_ka": "Karras"}
    lowered = name.strip().casefold()
    for ending, schedule in endings.items():
        if lowered.endswith(ending) and lowered not in samplers and lowered.removesuffix(ending) in samplers:
            return samplers[lowered.removesuffix(ending)].name, schedule
    return samplers[name].name, None


def pairs(sigmas: Iterable[float]) -> Iterator[tuple[float, float]]:
    """Return each step's sigma and the one it steps to."""
    return pairwise(sigmas)


def ancestral(path: Path, sigma: float, sigma_next: float, eta: float) -> tuple[float, float]:
    """Return (down, up), the old noise to keep and the new to add, whose squares sum to that of `sigma_next`.

    k-diffusion's get_ancestral_step on the noise-to-signal scale, and its limit out of pure noise.
    """
    s, t = path.ratio(sigma), path.ratio(sigma_next)
    up = min(t, eta * t * math.sqrt(1 - (t / s) ** 2))
    return math.sqrt(t * t - up * up), up
