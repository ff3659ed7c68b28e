"""What a network predicts, and how that and x give denoised.

The scalings are k-diffusion's: a network sees c_in x, and denoised = c_skip x + c_out output.
Sigma is a row's own, so that rows of unlike requests share one forward. Nothing here calls a network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from easel.core.errors import UnknownName

if TYPE_CHECKING:
    from torch import Tensor

Scaling = Callable[["Tensor"], "Tensor | float"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One way of predicting: three scalings of sigma, each (n,) to (n,)."""

    name: str
    c_in: Scaling
    c_skip: Scaling
    c_out: Scaling

    def input(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return what the network sees: x (n, ...) at sigma (n,), in x's own precision."""
        return scaled(x, self.c_in(sigma))

    def denoised(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """Return denoised for the network's output (n, ...) on x (n, ...) at sigma (n,)."""
        return scaled(x, self.c_skip(sigma)) + scaled(output.to(x.dtype), self.c_out(sigma))


def scaled(x: Tensor, factor: Tensor | float) -> Tensor:
    """Return x (n, ...) times a factor for each row (n,), worked out in the factor's precision and rounded once."""
    if isinstance(factor, float | int):
        return x if factor == 1.0 else x * factor
    return x * factor.to(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))


def deviation(sigma: Tensor) -> Tensor:
    """Return sqrt(1 + sigma^2), the standard deviation of a noised picture of unit variance."""
    return (sigma * sigma + 1.0).sqrt()


EPSILON = Prediction("epsilon", lambda s: 1.0 / deviation(s), lambda s: 1.0, lambda s: -s)
V = Prediction("v_prediction", lambda s: 1.0 / deviation(s), lambda s: 1.0 / (s * s + 1.0), lambda s: -s / deviation(s))
SAMPLE = Prediction("sample", lambda s: 1.0 / deviation(s), lambda s: 0.0, lambda s: 1.0)
FLOW = Prediction("flow", lambda s: 1.0, lambda s: 1.0, lambda s: -s)

PREDICTIONS = MappingProxyType({one.name: one for one in (EPSILON, V, SAMPLE, FLOW)})


def prediction(name: str) -> Prediction:
    """Return the prediction type of this name, as model configs spell it (`prediction_type`)."""
    if name not in PREDICTIONS:
        raise UnknownName("prediction type", name, PREDICTIONS)
    return PREDICTIONS[name]
