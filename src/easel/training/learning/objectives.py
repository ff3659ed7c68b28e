"""What training minimises: noise levels, targets and weights of latent diffusion, and CLIP's contrast.

Letters as in Ho et al. 2020 and Salimans and Ho 2022: x0 data, eps noise, a = sqrt(alpha_bar), s = sqrt(1 - alpha_bar),
x = a x0 + s eps, v = a eps - s x0. Knows neither networks nor data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F


def alpha_bars(steps: int = 1000, beta_start: float = 0.00085, beta_end: float = 0.025) -> torch.Tensor:
    """alpha_bar (steps,) float32 of Stable Diffusion's "scaled linear" schedule."""
    betas = torch.linspace(beta_start**0.5, beta_end**0.5, steps, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float()


def levels_at(alpha_bar: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(a, s) at steps t (B,), each (B, 1, 1, 1)."""
    chosen = alpha_bar[t].view(-1, 1, 1, 1)
    return chosen.sqrt(), (1 - chosen).sqrt()


def add_noise(x0: torch.Tensor, eps: torch.Tensor, a: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """x = a x0 + s eps."""
    return a * x0 + s * eps


def v_target(x0: torch.Tensor, eps: torch.Tensor, a: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """v = a eps - s x0 (Salimans and Ho 2022)."""
    return a * eps - s * x0


def x0_from_v(x: torch.Tensor, v: torch.Tensor, a: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """x0 = a x - s v."""
    return a * x - s * v


def eps_from_v(x: torch.Tensor, v: torch.Tensor, a: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """eps = s x + a v."""
    return s * x + a * v


def min_snr_weight(a: torch.Tensor, s: torch.Tensor, gamma: float = 5.0) -> torch.Tensor:
    """Weight of the squared error in v: min(SNR + 1, gamma) / (SNR + 1) (Hang et al. 2023, with v's own SNR + 1).

    The +1 keeps the weight at one in strong noise, where plain backgrounds are decided; details near x0 count less.
    """
    ratio = (a / s).square() + 1
    return ratio.clamp(max=gamma) / ratio


def level_shares(alpha_bar: torch.Tensor, centre: float, width: float = 1.1, even: float = 0.3) -> torch.Tensor:
    """The cumulated share (steps,) of training spent at each step: mostly where shapes are decided.

    log(sigma) is normal about `centre` (as in Karras et al. 2022), mixed with a share `even` of equal steps, which
    keeps strong noise, hence plain backgrounds, in practice.
    """
    log_sigma = 0.5 * torch.log((1 - alpha_bar.double()) / alpha_bar.double())
    density = torch.exp(-0.5 * ((log_sigma - centre) / width).square()) * torch.gradient(log_sigma)[0]
    share = (1 - even) * density / density.sum() + even / len(alpha_bar)
    return share.cumsum(0).clamp(max=1.0)


@dataclass(frozen=True)
class Noised:
    """x (B, 4, H, W) at steps t (B,), the v that is wanted of it, and the weight (B, 1, 1, 1) of its error."""

    x: torch.Tensor
    t: torch.Tensor
    v: torch.Tensor
    weight: torch.Tensor

    def losses(self, out: torch.Tensor) -> dict[str, torch.Tensor]:
        """The weighted squared error of a network's v, to be minimised, and the plain one."""
        error = (out.float() - self.v).square()
        return {"loss": (error * self.weight).mean(), "v": error.mean().detach()}


@dataclass(frozen=True)
class Noiser:
    """The table of alpha_bar and the share of practice up to each step, both (steps,)."""

    alpha_bar: torch.Tensor
    shares: torch.Tensor

    @classmethod
    def of(cls, alpha_bar: torch.Tensor, centre: float, width: float, device: torch.device) -> Noiser:
        """The levels of a schedule on a device, practised as `level_shares` says."""
        return cls(alpha_bar.to(device), level_shares(alpha_bar, centre, width).to(device))

    def at(self, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(a, s) at steps t (B,), each (B, 1, 1, 1)."""
        return levels_at(self.alpha_bar, t)

    def noised(self, x0: torch.Tensor, rng: np.random.Generator) -> Noised:
        """Latents (B, 4, H, W) with noise that is drawn where they lie.

        One level from each equal share of the practice: the same distribution as at random, less variance.
        """
        count, device = len(x0), x0.device
        spread = (torch.arange(count) + torch.from_numpy(rng.random(count))) / count
        t = torch.searchsorted(self.shares, spread.to(device)).clamp(max=len(self.shares) - 1)
        chance = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
        eps = torch.randn(x0.shape, generator=chance, device=device)
        a, s = self.at(t)
        x = add_noise(x0, eps, a, s).contiguous(memory_format=torch.channels_last)
        return Noised(x, t, v_target(x0, eps, a, s), min_snr_weight(a, s))


def contrastive(text: torch.Tensor, vision: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """CLIP's symmetric cross-entropy of (B, D) features at log-scale `scale`, and the share of rows matched right."""
    logits = scale.exp() * F.normalize(text, dim=-1) @ F.normalize(vision, dim=-1).T
    wanted = torch.arange(len(text), device=text.device)
    loss = (F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted)) / 2
    return loss, (logits.argmax(-1) == wanted).float().mean()
