"""The autoencoder: normalised it makes the same pictures, and errors in colour weigh more than in light."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from easel.training.embedded.recipe import toy
from easel.training.networks.autoencoder import (
    encode_mean,
    latents_of,
    make_autoencoder,
    normalise,
    picture_losses,
    psnr,
)


@torch.no_grad()
def test_normalised_latents_have_unit_variance_and_the_same_pictures() -> None:
    torch.manual_seed(0)
    model: Any = make_autoencoder(toy().autoencoder, 64)
    pictures = torch.randn(4, 3, 64, 64)
    before, latents = model.decode(encode_mean(model, pictures)).sample, encode_mean(model, pictures)
    normalise(model, latents.mean((0, 2, 3)), latents.std((0, 2, 3)))
    now = encode_mean(model, pictures)
    assert torch.allclose(model.decode(now).sample, before, atol=1e-3)
    assert float(now.mean((0, 2, 3)).abs().max()) < 1e-3
    assert torch.allclose(now.std((0, 2, 3)), torch.ones(4), atol=1e-3)
    assert float(model.encode(pictures).latent_dist.std.max()) < 1e-3
    kept = latents_of(model, pictures)
    assert kept.dtype == torch.float16 and (kept.float() - now).abs().mean() < 0.5  # encoded in bfloat16


def test_errors_in_colour_weigh_more_than_in_light() -> None:
    true = torch.zeros(1, 3, 8, 8)
    grey, red = true + 0.1, true.clone()
    red[:, 0] += 0.1 * 3**0.5  # the same squared error
    one, other = picture_losses(grey, true), picture_losses(red, true)
    assert float(one["psnr"]) == pytest.approx(float(other["psnr"]), abs=1e-3)
    assert float(other["loss"]) > float(one["loss"])


def test_decibels_count_from_the_span_of_values() -> None:
    assert float(psnr(torch.tensor(0.04))) == pytest.approx(20.0, abs=1e-4)
    assert float(psnr(torch.tensor(0.01), span=1)) == pytest.approx(20.0, abs=1e-4)
