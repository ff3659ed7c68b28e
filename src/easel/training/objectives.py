"""What training minimises: noise levels, targets and weights of latent diffusion, and CLIP's contrast.

Letters as in Ho et al. 2020 and Salimans and Ho 2022: x0 data, eps noise, a = sqrt(alpha_bar), s = sqrt(1 - alpha_bar),
x = a x0 + s eps, v = a eps - s x0.
"""

from __future__ import annotations

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


def x0_from_eps(x: torch.Tensor, eps: torch.Tensor, a: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """x0 = (x - s eps) / a."""
    return (x - s * eps) / a


def min_snr_weight(a: torch.Tensor, s: torch.Tensor, gamma: float = 5.0) -> torch.Tensor:
    """Weight of the squared error in v: min(SNR + 1, gamma) / (SNR + 1) (Hang et al. 2023, with v's own SNR + 1).

    The +1 keeps the weight at one in strong noise, where plain backgrounds are decided; details near x0 count less.
    """
    ratio = (a / s).square() + 1
    return ratio.clamp(max=gamma) / ratio


def level_shares(alpha_bar: torch.Tensor, centre: float = 0.2, width: float = 1.1, even: float = 0.3) -> torch.Tensor:
    """The cumulated share (steps,) of training spent at each step: mostly where shapes are decided.

    log(sigma) is normal about `centre` (as in Karras et al. 2022), mixed with a share `even` of equal steps, which
    keeps strong noise, hence plain backgrounds, in practice.
    """
    log_sigma = 0.5 * torch.log((1 - alpha_bar.double()) / alpha_bar.double())
    density = torch.exp(-0.5 * ((log_sigma - centre) / width).square()) * torch.gradient(log_sigma)[0]
    share = (1 - even) * density / density.sum() + even / len(alpha_bar)
    return share.cumsum(0).clamp(max=1.0)


def contrastive(text: torch.Tensor, vision: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """CLIP's symmetric cross-entropy of (B, D) features at log-scale `scale`, and the share of rows matched right."""
    logits = scale.exp() * F.normalize(text, dim=-1) @ F.normalize(vision, dim=-1).T
    wanted = torch.arange(len(text), device=text.device)
    loss = (F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted)) / 2
    return loss, (logits.argmax(-1) == wanted).float().mean()
