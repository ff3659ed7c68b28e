"""Denoisers whose answers are known, and a runner that sends them to a sampler."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from easel.sampling import VE, Evaluation, Path

Denoiser = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians in every pixel alone: the exact E[x0 | x0 + s noise], s the noise-to-signal ratio."""

    means: tuple[float, ...] = (-1.2, 0.3, 1.0)
    deviations: tuple[float, ...] = (0.3, 0.5, 0.2)
    weights: tuple[float, ...] = (0.3, 0.5, 0.2)

    def __call__(self, x: Tensor, s: float) -> Tensor:
        parts: list[Tensor] = []
        logs: list[Tensor] = []
        for mean, deviation, weight in zip(self.means, self.deviations, self.weights, strict=True):
            variance = deviation**2 + s**2
            away = x - mean
            logs.append(away * away * (-0.5 / variance) + (math.log(weight) - 0.5 * math.log(variance)))
            parts.append(mean + deviation**2 / variance * away)
        share = torch.stack(logs).softmax(0)
        return (share * torch.stack(parts)).sum(0)


MIXTURE = Mixture()


def on_path(path: Path, denoiser: Denoiser = MIXTURE) -> Denoiser:
    """Return the denoiser for x on a path's own scale."""

    def denoised(x: Tensor, sigma: float) -> Tensor:
        alpha = path.alpha(sigma)
        if alpha == 0:  # pure noise says nothing of the picture; its mean is what the mixture's means make
            return torch.full_like(x, sum(m * w for m, w in zip(MIXTURE.means, MIXTURE.weights, strict=True)))
        return denoiser(x / alpha, sigma / alpha)

    return denoised


def answer(evaluation: Evaluation, denoiser: Denoiser) -> Any:
    """Return what a sampler is sent; the unconditional denoiser of a pair is a little off the conditional."""
    denoised = denoiser(evaluation.x, evaluation.sigma)
    return (denoised, 0.9 * denoised + 0.05) if evaluation.unconditional else denoised


def run(generator: Generator[Evaluation, Any, Tensor], denoiser: Denoiser) -> Tensor:
    """Return what the sampler returns when it is answered by `denoiser`."""
    try:
        evaluation = next(generator)
        while True:
            evaluation = generator.send(answer(evaluation, denoiser))
    except StopIteration as end:
        return end.value


def counted(shape: Sequence[int], seed: int = 7, dtype: torch.dtype = torch.float32) -> Callable[..., Tensor]:
    """Return noise that depends on the number of the draw alone."""
    generator = torch.Generator().manual_seed(seed)
    return lambda *_: torch.randn(tuple(shape), generator=generator, dtype=torch.float64).to(dtype)


def geometric(high: float, low: float, steps: int) -> list[float]:
    """Return steps + 1 sigmas, even in their logarithms."""
    return [math.exp(math.log(high) + (math.log(low) - math.log(high)) * i / steps) for i in range(steps + 1)]


def difference(a: Tensor, b: Tensor) -> float:
    """Return the distance of a from b relative to b."""
    return float((a - b).double().norm() / b.double().norm())


__all__ = ["MIXTURE", "VE", "Mixture", "answer", "counted", "difference", "geometric", "on_path", "run"]
