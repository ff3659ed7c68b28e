"""The registry of samplers, and the words that every sampler's file shares.

A sampler is a generator `(path, x, sigmas, noise, *, options)`: it yields an Evaluation, is sent `denoised`, and
returns the clean x. Its history is local variables. It knows nothing of models, devices, batching, guidance
or progress; options are its keyword-only arguments and are written on the noise-to-signal scale of `path.ratio`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from easel.core.registry import Registry
from easel.sampling.path import Evaluation, Path

if TYPE_CHECKING:
    from torch import Tensor

Noise = Callable[[float, float], "Tensor"]  # noise(sigma, sigma_next): unit variance, like x
Sampling = Generator[Evaluation, "Tensor", "Tensor"]
PairSampling = Generator[Evaluation, "tuple[Tensor, Tensor]", "Tensor"]
Sampler = Callable[..., Generator[Evaluation, Any, "Tensor"]]

samplers: Registry[Sampler] = Registry("sampler", listing="`easel models samplers`")


def pairs(sigmas: Iterable[float]) -> Iterator[tuple[float, float]]:
    """Return each step's sigma and the one it steps to."""
    return pairwise(sigmas)


def sampler(
    name: str,
    *aliases: str,
    schedule: str | None = None,
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
) -> Callable[[Sampler], Sampler]:
    """Register a sampler under A1111's label with what doors, schedules and recipes ask about it.

    schedule: what Automatic means for it; None leaves it to the model.
    noise: which noise it asks for when it does: "none", "independent" or "brownian".
    stochastic: asks for noise with its options as they stand.
    second_order: two evaluations a step, so that A1111 counts prompt editing in evaluations.
    discard_penultimate: A1111 leaves out the last sigma above zero.
    ensd: A1111 writes "ENSD" into infotext for it.
    pair: yields unconditional evaluations (CFG++), with the guidance scale times `scale_factor`.
    shares_steps: its step sizes come from all pictures of a batch together; sample pictures alone to make them equal.
    order: the order at which it converges on a smooth ODE.
    paper: an arXiv id.
    """
    return samplers.register(
        name,
        aliases=aliases,
        schedule=schedule,
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
    )


def ancestral(path: Path, sigma: float, sigma_next: float, eta: float) -> tuple[float, float]:
    """Return (down, up): how much old noise to keep and new noise to add so that both together are `sigma_next`.

    The split is made on the noise-to-signal scale, where it is k-diffusion's get_ancestral_step, and taken back to the
    path's; out of pure noise its limit is all new noise for eta 1.
    """
    if sigma_next == 0:
        return 0.0, 0.0
    s, t = path.ratio(sigma), path.ratio(sigma_next)
    up = min(t, eta * t * (1 - (t / s) ** 2) ** 0.5)
    down = (t * t - up * up) ** 0.5
    return path.alpha(sigma_next) * down, path.alpha(sigma_next) * up
