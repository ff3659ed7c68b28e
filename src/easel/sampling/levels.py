"""Noise levels of a model: what schedules ask of it, and how its own time relates to sigma.

A discrete model (Stable Diffusion) knows a table of sigmas, one for each training step; a flow model knows a formula.
Both keep one clock t, whose even steps are the model's natural ones: `sigma_at(t)` and `time_of(sigma)` are inverse.
Values are float32, as A1111 and k-diffusion hold them, so that schedules agree with theirs to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from easel.core.errors import BadValue, UnknownName
from easel.sampling.path import FLOW, VE, Path

if TYPE_CHECKING:
    from torch import Tensor

ZERO_TERMINAL_SIGNAL = 2.0**-24  # stands for alphas_cumprod = 0, as in diffusers: sigma 4096 in place of infinity
BETA_SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")


@dataclass(frozen=True)
class Levels:
    """The levels of one model.

    path: the path its sigmas are on.
    table: the sigma of each training step, rising; empty for flow models.
    shift: how far a flow model's clock leans to noise (Esser et al. 2024, arXiv 2403.03206, section 5.3.2).
    count: training steps; the clock runs from 0 to count - 1 on a table, and to count on flow.
    optimised: which table Align Your Steps takes.
    """

    path: Path
    sigma_min: float
    sigma_max: float
    table: tuple[float, ...] = ()
    shift: float = 1.0
    count: int = 1000
    optimised: Literal["sd1", "sdxl", "svd"] = "sd1"

    @cached_property
    def log_table(self) -> Tensor:
        """The logarithms of the table, (count,) float32."""
        import torch

        return torch.tensor(self.table, dtype=torch.float32).log()

    @property
    def times(self) -> tuple[float, float]:
        """The times (first, last) of sigma_min and sigma_max; the table's own ends where they are meant."""
        if not self.table:
            return self._time(self.sigma_min), self._time(self.sigma_max)
        first = 0.0 if self.sigma_min == self.table[0] else self._time(self.sigma_min)
        last = self.count - 1.0 if self.sigma_max == self.table[-1] else self._time(self.sigma_max)
        return first, last

    def _time(self, sigma: float) -> float:
        import torch

        return float(self.time_of(torch.tensor([sigma], dtype=torch.float64)))

    def sigma_at(self, t: Tensor) -> Tensor:
        """Return the sigmas, float32, at times t of any shape; k-diffusion's t_to_sigma, log-linear between steps."""
        t = t.float()
        if not self.table:
            share = t / self.count
            return self.shift * share / (1 + (self.shift - 1) * share)
        low, high, w = t.floor().long(), t.ceil().long(), t.frac()
        logs = self.log_table.to(t.device)
        return ((1 - w) * logs[low] + w * logs[high]).exp()

    def entries_at(self, t: Tensor) -> Tensor:
        """Return the sigmas, float32, at times t: the table's own entries where all are whole, else `sigma_at`."""
        if not self.table or bool((t != t.round()).any()):
            return self.sigma_at(t)
        import torch

        return torch.tensor(self.table)[t.long()]

    def time_of(self, sigma: Tensor) -> Tensor:
        """Return the times at sigmas of any shape, in their precision; k-diffusion's sigma_to_t, not quantised."""
        if not self.table:
            return self.count * sigma / (self.shift - (self.shift - 1) * sigma)
        import torch

        logs = self.log_table.to(sigma)
        log_sigma = sigma.log()
        high = torch.searchsorted(logs, log_sigma, right=True).clamp(1, len(self.table) - 1)
        low = high - 1
        w = ((logs[low] - log_sigma) / (logs[low] - logs[high])).clamp(0, 1)
        return (1 - w) * low + w * high

    def timestep(self, sigma: Tensor) -> Tensor:
        """Return what the network is told at each row's sigma, (n,) to (n,): time on a table, count sigma on flow."""
        return self.time_of(sigma) if self.table else self.count * sigma

    @staticmethod
    def from_alphas(alphas_cumprod: Sequence[float], *, optimised: Literal["sd1", "sdxl", "svd"] = "sd1") -> Levels:
        """Return the levels of a discrete model whose signal after each training step is known."""
        import torch

        signal = [alpha or ZERO_TERMINAL_SIGNAL for alpha in alphas_cumprod]
        alphas = torch.tensor(signal, dtype=torch.float64).float()
        table = tuple(float(s) for s in ((1 - alphas) / alphas) ** 0.5)
        return Levels(VE, table[0], table[-1], table, count=len(table), optimised=optimised)

    @staticmethod
    def from_betas(
        *,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        beta_schedule: str = "scaled_linear",
        num_train_timesteps: int = 1000,
        trained_betas: Sequence[float] | None = None,
        rescale_betas_zero_snr: bool = False,
        optimised: Literal["sd1", "sdxl", "svd"] = "sd1",
    ) -> Levels:
        """Return the levels of a discrete model from its scheduler config, in diffusers' own keys.

        The defaults are Stable Diffusion's. Raises UnknownName for a beta schedule of another name.
        """
        betas = (
            list(trained_betas) if trained_betas else betas_of(beta_schedule, beta_start, beta_end, num_train_timesteps)
        )
        alphas: list[float] = []
        for beta in betas:
            alphas.append((alphas[-1] if alphas else 1.0) * (1.0 - beta))
        if rescale_betas_zero_snr:
            alphas = zero_terminal(alphas)
        return Levels.from_alphas(alphas, optimised=optimised)

    @staticmethod
    def from_flow(*, shift: float = 1.0, num_train_timesteps: int = 1000) -> Levels:
        """Return the levels of a flow model (SD3: shift 3; Flux: shift exp(mu) at the picture's size)."""
        if not 0 < shift < math.inf:
            raise BadValue("shift", shift, "a number above 0")
        least = 1 / num_train_timesteps
        return Levels(FLOW, shift * least / (1 + (shift - 1) * least), 1.0, shift=shift, count=num_train_timesteps)


def betas_of(schedule: str, start: float, end: float, count: int) -> list[float]:
    """Return the noise variance added by each training step."""
    last = max(count - 1, 1)
    if schedule == "linear":
        return [start + (end - start) * i / last for i in range(count)]
    if schedule == "scaled_linear":
        return [(start**0.5 + (end**0.5 - start**0.5) * i / last) ** 2 for i in range(count)]
    if schedule == "squaredcos_cap_v2":
        signal = [math.cos((i / count + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(count + 1)]
        return [min(1 - after / before, 0.999) for before, after in pairwise(signal)]
    raise UnknownName("beta schedule", schedule, BETA_SCHEDULES)


def zero_terminal(alphas: list[float]) -> list[float]:
    """Return alphas_cumprod with pure noise at the last step, Lin et al. 2023, algorithm 1 (arXiv 2305.08891)."""
    roots = [math.sqrt(alpha) for alpha in alphas]
    first, last = roots[0], roots[-1]
    return [((root - last) * first / (first - last)) ** 2 for root in roots]
