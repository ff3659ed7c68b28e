"""The algebra of diffusion targets and of CLIP's contrast."""

from __future__ import annotations

import numpy as np
import torch

from easel.training.learning.objectives import (
    Noiser,
    add_noise,
    alpha_bars,
    contrastive,
    eps_from_v,
    level_shares,
    levels_at,
    min_snr_weight,
    v_target,
    x0_from_v,
)


def setting() -> tuple[torch.Tensor, ...]:
    chance = torch.Generator().manual_seed(0)
    x0, eps = (torch.randn(5, 4, 3, 3, generator=chance) for _ in range(2))
    a, s = levels_at(alpha_bars(), torch.tensor([0, 10, 300, 700, 900]))
    return x0, eps, a, s


def test_x0_and_noise_come_back_from_v() -> None:
    x0, eps, a, s = setting()
    x = add_noise(x0, eps, a, s)
    v = v_target(x0, eps, a, s)
    assert torch.allclose(x0_from_v(x, v, a, s), x0, atol=1e-5)
    assert torch.allclose(eps_from_v(x, v, a, s), eps, atol=1e-5)


def test_the_schedule_falls_and_ends_in_nearly_pure_noise() -> None:
    bars = alpha_bars()
    assert bars.shape == (1000,) and bool((bars[1:] < bars[:-1]).all())
    assert 100 < float(((1 - bars[-1]) / bars[-1]).sqrt()) < 250


def test_the_schedule_is_diffusers_own() -> None:
    from easel.training.networks.export import make_scheduler

    assert torch.allclose(alpha_bars(), make_scheduler().alphas_cumprod, rtol=1e-4)


def test_min_snr_weights_are_one_in_noise_and_small_near_the_data() -> None:
    a, s = levels_at(alpha_bars(), torch.tensor([0, 999]))
    near, far = min_snr_weight(a, s).flatten().tolist()
    assert near < 0.01 and far == 1.0


def test_most_practice_is_where_signal_and_noise_are_alike() -> None:
    bars = alpha_bars()
    shares = level_shares(bars, 0.2)
    assert bool((shares[1:] > shares[:-1]).all()) and abs(float(shares[-1]) - 1) < 1e-9
    sigma = ((1 - bars) / bars).sqrt()
    inside = (sigma > 0.3) & (sigma < 5)
    each = shares.diff(prepend=torch.zeros(1))
    assert float(each[inside].sum()) > 0.6 > float(inside.float().mean())


def test_noise_is_taken_away_by_the_v_that_is_wanted() -> None:
    bars = alpha_bars()
    noiser = Noiser.of(bars, 0.2, 1.1, torch.device("cpu"))
    x0 = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    noised, again = (noiser.noised(x0, np.random.default_rng(3)) for _ in range(2))
    a, s = levels_at(bars, noised.t)
    assert torch.allclose(x0_from_v(noised.x, noised.v, a, s), x0, atol=1e-4)
    assert torch.equal(noised.x, again.x) and torch.equal(noised.t, again.t)
    assert bool((noised.t[1:] >= noised.t[:-1]).all())  # one of each share
    assert float(noised.losses(noised.v)["loss"]) == 0 < float(noised.losses(noised.v + 1)["loss"])


def test_the_contrast_is_least_when_pairs_agree() -> None:
    features = torch.eye(4)
    scale = torch.tensor(3.0)
    agreed, right = contrastive(features, features, scale)
    crossed, wrong = contrastive(features, features.roll(1, 0), scale)
    assert float(agreed) < 1e-6 < float(crossed)
    assert float(right) == 1.0 and float(wrong) == 0.0
