"""Guidance: what stands between a sampler's evaluation and a model's rows.

A Guide belongs to one request. Its `layout` says which rows an evaluation needs (each picture's positives, joined by
AND with their weights, then the negatives where any counts), and `combine` makes `denoised` of their predictions.
Scale and weights are data of the request and never enter a batch key. It knows nothing of prompts or models.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from easel.core.registry import Entry
from easel.sampling.path import Evaluation, Path
from easel.sampling.samplers import Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from easel.core.passes import Guidance

Weights = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The rows of one evaluation, positives picture by picture and then the negatives.

    pictures: which picture each row is of, an index into x.
    parts: which of its picture's positives leads each row; None is the negative.
    """

    pictures: tuple[int, ...]
    parts: tuple[int | None, ...]

    @property
    def negative(self) -> bool:
        """Whether the negatives are among the rows."""
        return None in self.parts

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True, slots=True)
class Guide:
    """How one request's predictions are combined.

    weights: for each picture the weights of its positives.
    scale: of classifier-free guidance, Ho & Salimans 2022 (arXiv 2207.12598).
    rescale: share of rescaling, Lin et al. 2023 (arXiv 2305.08891).
    low, high: guidance acts where low < sigma <= high, Kynkäänniemi et al. 2024 (arXiv 2404.07724); elsewhere scale 1.
    """

    weights: tuple[Weights, ...]
    scale: float
    rescale: float = 0.0
    low: float = -math.inf
    high: float = math.inf

    def scale_at(self, sigma: float) -> float:
        """Return the scale that acts at `sigma`."""
        return self.scale if self.low < sigma <= self.high else 1.0

    def layout(self, evaluation: Evaluation) -> Layout:
        """Return the rows that this evaluation needs; the negatives only where they change the outcome."""
        pictures = [i for i, parts in enumerate(self.weights) for _ in parts]
        parts: list[int | None] = [k for parts in self.weights for k in range(len(parts))]
        if self.needs_negative(evaluation):
            pictures += range(len(self.weights))
            parts += [None] * len(self.weights)
        return Layout(tuple(pictures), tuple(parts))

    def needs_negative(self, evaluation: Evaluation) -> bool:
        """Return whether the negatives change the outcome: not where scale and weights leave nothing of them."""
        scale = self.scale_at(evaluation.sigma)
        rescaled = self.rescale > 0 and scale != 1
        return evaluation.unconditional or rescaled or any(scale * sum(parts) != 1 for parts in self.weights)

    def combine(self, predictions: Tensor, evaluation: Evaluation, path: Path) -> Tensor | tuple[Tensor, Tensor]:
        """Return what the sampler is sent: denoised (n, ...), or the pair with the unconditional one where it asked.

        predictions: denoised of each row, in the order of `layout`. Every picture is combined by itself:
        negative + sum_k (positive_k - negative) weight_k scale, as A1111 combines.
        """
        import torch

        scale = self.scale_at(evaluation.sigma)
        ends = list(accumulate(len(parts) for parts in self.weights))
        rows = [predictions[end - len(parts) : end] for end, parts in zip(ends, self.weights, strict=True)]
        if not self.needs_negative(evaluation):
            return torch.stack([unopposed(p, w, scale) for p, w in zip(rows, self.weights, strict=True)])
        negatives = predictions[ends[-1] :]
        guided = [led(p, n, w, scale) for p, n, w in zip(rows, negatives, self.weights, strict=True)]
        if self.rescale > 0 and scale != 1:
            plain = [led(p, n, w, 1.0) for p, n, w in zip(rows, negatives, self.weights, strict=True)]
            guided = [
                rescaled(g, p, x, evaluation.sigma, path, self.rescale)
                for g, p, x in zip(guided, plain, evaluation.x, strict=True)
            ]
        denoised = torch.stack(guided)
        return (denoised, negatives) if evaluation.unconditional else denoised


def guide_for(
    sampler: Entry[Sampler], guidance: Guidance, weights: Sequence[Sequence[float]], sigmas: Sequence[float]
) -> Guide:
    """Return the guide of a request whose scale is settled.

    weights: for each picture the weights of its positives; ((1.0,),) for one picture of one prompt.
    sigmas: the schedule, whose steps from `guidance.start` to `guidance.end` (shares of all) are guided.
    """
    if guidance.scale is None:
        raise ValueError("the guidance scale is settled by the recipe before a guide is made")
    steps = len(sigmas) - 1
    return Guide(
        tuple(tuple(parts) for parts in weights),
        guidance.scale * sampler.facts["scale_factor"],
        guidance.rescale,
        low=-math.inf if guidance.end >= 1 else sigmas[math.ceil(guidance.end * steps)],
        high=math.inf if guidance.start <= 0 else sigmas[math.ceil(guidance.start * steps)],
    )


def unopposed(positives: Tensor, weights: Weights, scale: float) -> Tensor:
    """Return one picture's prediction, (channels, height, width), where nothing of the negative is left."""
    first, *rest = (p if w * scale == 1 else p * (w * scale) for p, w in zip(positives, weights, strict=True))
    return sum(rest, start=first)


def led(positives: Tensor, negative: Tensor, weights: Weights, scale: float) -> Tensor:
    """Return one picture's guided prediction, (channels, height, width)."""
    out = negative
    for positive, weight in zip(positives, weights, strict=True):
        out = out + (positive - negative) * (weight * scale)
    return out


def rescaled(guided: Tensor, plain: Tensor, x: Tensor, sigma: float, path: Path, share: float) -> Tensor:
    """Return `guided` with its spread drawn back to that of `plain`, Lin et al. 2023, section 3.4 (arXiv 2305.08891).

    All (channels, height, width). The spread is that of v = alpha epsilon - sigma x0 on the variance preserving scale,
    which is what the paper's models predict; so the outcome does not depend on what this model predicts.
    """
    alpha = path.alpha(sigma)
    size = math.hypot(alpha, sigma)
    alpha, sigma, x = alpha / size, sigma / size, x / size
    v, v_plain = (alpha * x - guided) / sigma, (alpha * x - plain) / sigma
    factor = share * v_plain.std() / v.std() + (1 - share)
    return alpha * x - sigma * v * factor
