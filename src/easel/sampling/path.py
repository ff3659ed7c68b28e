"""Noise paths: how signal and noise mix, so that one sampler serves every kind of model.

On a path a picture x0 and a noise of unit variance make x = alpha(sigma) x0 + sigma noise. Two paths are in use:
variance exploding (EDM and k-diffusion: alpha = 1) and flow matching (alpha = 1 - sigma). They are one path in two
scales, x / alpha at the noise-to-signal ratio sigma / alpha, and samplers are written so that this shows.
This file knows nothing of models or time steps; `levels.py` does.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What a sampler yields: the call for `denoised` at one noise level.

    x: (n, channels, height, width) float32 on the path's own scale, the n pictures of one request.
    sigma: the level they all stand at.
    unconditional: asks to be sent the pair (denoised, unconditional denoised) instead of denoised alone.
    """

    x: Tensor
    sigma: float
    unconditional: bool = False


@dataclass(frozen=True, slots=True)
class Path(ABC):
    """x = alpha(sigma) x0 + sigma noise; sigma in the path's own units, all values float64."""

    name: str

    @abstractmethod
    def alpha(self, sigma: float) -> float:
        """Return the share of signal at `sigma`."""

    @abstractmethod
    def sigma_of_ratio(self, ratio: float) -> float:
        """Return the sigma at which sigma / alpha is `ratio`."""

    def ratio(self, sigma: float) -> float:
        """Return sigma / alpha, the level on the variance exploding scale; infinite in pure noise."""
        alpha = self.alpha(sigma)
        return sigma / alpha if alpha > 0 else math.inf

    def lam(self, sigma: float) -> float:
        """Return lambda = log(alpha / sigma), half the log signal-to-noise ratio; infinite at both ends of a path."""
        ratio = self.ratio(sigma)
        return math.inf if ratio == 0 else -math.log(ratio)

    def sigma(self, lam: float) -> float:
        """Return the sigma whose half log signal-to-noise ratio is `lam`."""
        return self.sigma_of_ratio(math.exp(-lam))

    def noised(self, clean: Tensor | float, noise: Tensor, sigma: float) -> Tensor:
        """Return alpha x0 + sigma noise."""
        return self.alpha(sigma) * clean + sigma * noise

    def noise_in(self, x: Tensor, denoised: Tensor, sigma: float) -> Tensor:
        """Return epsilon = (x - alpha x0) / sigma, the noise that x holds: k-diffusion's derivative d."""
        return (x - self.alpha(sigma) * denoised) / sigma


@dataclass(frozen=True, slots=True)
class Exploding(Path):
    """Variance exploding, Karras et al. 2022 (arXiv 2206.00364): x = x0 + sigma noise."""

    def alpha(self, sigma: float) -> float:
        return 1.0

    def sigma_of_ratio(self, ratio: float) -> float:
        return ratio


@dataclass(frozen=True, slots=True)
class Flow(Path):
    """Rectified flow, Liu et al. 2022 (arXiv 2209.03003): x = (1 - sigma) x0 + sigma noise."""

    def alpha(self, sigma: float) -> float:
        return 1.0 - sigma

    def sigma_of_ratio(self, ratio: float) -> float:
        return 1.0 if math.isinf(ratio) else ratio / (1.0 + ratio)


VE = Exploding("VE")
FLOW = Flow("flow")
