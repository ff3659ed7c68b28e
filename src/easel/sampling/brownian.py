"""Brownian noise: increments of one Wiener path a picture, whatever the order and number of the questions.

The path is torchsde's BrownianTree (Li et al. 2020, arXiv 2001.01328; Kidger et al. 2021, arXiv 2105.13493) as
k-diffusion asks it, equal to the last bit: an interval is halved by the Brownian bridge until the question fits, and
each halving draws its noise from a seed that its place in the tree gives.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from easel.sampling.noise import PictureNoise, drawing

if TYPE_CHECKING:
    from torch import Tensor

DIGITS = 6  # decimal places that times are rounded to, torchsde's tolerance of 1e-6
POOL = 24  # words of the seeds' entropy pool
KEPT = 48  # halves remembered for each path, about two descents


def seed_at(entropy: int, *place: int) -> int:
    """Return the seed of the noise drawn at a place in the tree; the whole path's has no place."""
    from numpy.random import SeedSequence

    return int(SeedSequence(entropy, spawn_key=place, pool_size=POOL).generate_state(1)[0])


class BrownianTree:
    """One path W over [start, end]; increments have `shape`, float32."""

    def __init__(self, start: float, end: float, shape: Sequence[int], entropy: int, source: str = "CPU") -> None:
        self._start, self._end = round(start, DIGITS), round(end, DIGITS)
        self._shape, self._entropy, self._source = tuple(shape), entropy, source
        self._halves: dict[tuple[int, int], Tensor] = {}
        self._whole = self._noise() * math.sqrt(end - start)

    def __call__(self, start: float, end: float) -> Tensor:
        """Return W(end) - W(start), start <= end; what lies outside the path counts as its end."""
        start, end = max(round(start, DIGITS), self._start), min(round(end, DIGITS), self._end)
        if start >= end:
            return self._whole * 0
        first, *rest = self._pieces(start, end, self._start, self._end, (0, 0), self._whole)
        return sum(rest, start=first)

    def _pieces(
        self, start: float, end: float, low: float, high: float, place: tuple[int, int], increment: Tensor
    ) -> Iterator[Tensor]:
        """Yield in order the increments that fill [start, end], from the interval [low, high] at this place."""
        if start == low and end == high:
            yield increment
            return
        middle = round(0.5 * (low + high), DIGITS)
        left = self._left(low, middle, high, place, increment)
        key, depth = place
        if start < middle:
            yield from self._pieces(start, min(end, middle), low, middle, (2 * key, depth + 1), left)
        if end > middle:
            yield from self._pieces(max(start, middle), end, middle, high, (2 * key + 1, depth + 1), increment - left)

    def _left(self, low: float, middle: float, high: float, place: tuple[int, int], increment: Tensor) -> Tensor:
        """Return the increment of [low, middle], drawn given that of [low, high]: the Brownian bridge."""
        if place not in self._halves:
            share, deviation = 1 / (high - low), math.sqrt((middle - low) * (high - middle) * (1 / (high - low)))
            self._halves[place] = (middle - low) * increment * share + deviation * self._noise(*place)
            if len(self._halves) > KEPT:
                del self._halves[next(iter(self._halves))]
        return self._halves[place]

    def _noise(self, *place: int) -> Tensor:
        return drawing(seed_at(self._entropy, *place), self._source).randn(self._shape)


class BrownianNoise:
    """A sampler's `noise`: the increment between two sigmas over the root of their distance, so of unit variance."""

    def __init__(self, pictures: PictureNoise, sigma_min: float, sigma_max: float) -> None:
        self._device = pictures.device
        self._trees = [
            BrownianTree(sigma_min, sigma_max, pictures.shape, seed, pictures.source) for seed in pictures.seeds
        ]

    def __call__(self, sigma: float, sigma_next: float) -> Tensor:
        """Return (n, channels, height, width) float32; the sign is that of time running downward, as in k-diffusion."""
        import torch

        sign = -1 if sigma_next < sigma else 1
        low, high = min(sigma, sigma_next), max(sigma, sigma_next)
        increments = torch.stack([tree(low, high) for tree in self._trees]) * sign
        distance = (torch.tensor(sigma_next) - torch.tensor(sigma)).abs()
        return (increments / distance.sqrt()).to(self._device)
