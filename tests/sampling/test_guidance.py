"""Guidance: which rows, and what is made of them."""

from __future__ import annotations

import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

from easel.core.passes import Guidance
from easel.sampling import FLOW, VE, Evaluation, Guide, guide_for, samplers

ONE = ((1.0,), (1.0,))
AND = ((1.2, 0.5), (1.0,))
X = torch.randn((2, 4, 4, 4), generator=torch.Generator().manual_seed(1))


def rows(count: int) -> torch.Tensor:
    return torch.randn((count, 4, 4, 4), generator=torch.Generator().manual_seed(2))


def test_plain_guidance() -> None:
    guide = Guide(ONE, 7.5)
    evaluation = Evaluation(X, 3.0)
    layout = guide.layout(evaluation)
    assert layout.pictures == (0, 1, 0, 1) and layout.parts == (0, 0, None, None)
    p = rows(4)
    assert torch.allclose(guide.combine(p, evaluation, VE), p[2:] + 7.5 * (p[:2] - p[2:]), atol=1e-6)


def test_and_weights_as_a1111_combines() -> None:
    guide = Guide(AND, 5.0)
    evaluation = Evaluation(X, 3.0)
    layout = guide.layout(evaluation)
    assert layout.pictures == (0, 0, 1, 0, 1) and layout.parts == (0, 1, 0, None, None)
    p = rows(5)
    out = guide.combine(p, evaluation, VE)
    assert torch.allclose(out[0], p[3] + (p[0] - p[3]) * 6.0 + (p[1] - p[3]) * 2.5, atol=1e-5)
    assert torch.allclose(out[1], p[4] + (p[2] - p[4]) * 5.0, atol=1e-5)


def test_the_negative_is_left_out_where_nothing_of_it_is_left() -> None:
    evaluation = Evaluation(X, 3.0)
    assert not Guide(ONE, 1.0).layout(evaluation).negative
    assert torch.equal(Guide(ONE, 1.0).combine(rows(2), evaluation, VE), rows(2))
    assert not Guide(((0.5, 0.5),), 1.0).layout(evaluation).negative
    assert Guide(((1.2,),), 1.0).layout(evaluation).negative
    assert Guide(ONE, 1.0).layout(Evaluation(X, 3.0, unconditional=True)).negative


def test_the_pair_for_cfg_plus_plus() -> None:
    guide = guide_for(samplers["DDIM CFG++"], Guidance(scale=7.5), ONE, (2.0, 1.0, 0.0))
    assert guide.scale == pytest.approx(0.6)
    evaluation = Evaluation(X, 2.0, unconditional=True)
    p = rows(4)
    denoised, unconditional = guide.combine(p, evaluation, VE)
    assert torch.equal(unconditional, p[2:])
    assert torch.allclose(denoised, p[2:] + 0.6 * (p[:2] - p[2:]), atol=1e-6)


def test_the_interval_is_in_shares_of_the_steps() -> None:
    sigmas = (8.0, 6.0, 4.0, 2.0, 1.0, 0.0)
    guide = guide_for(samplers["Euler"], Guidance(scale=5, start=0.2, end=0.6), ONE, sigmas)
    assert [guide.scale_at(sigma) for sigma in sigmas[:-1]] == [1.0, 5.0, 5.0, 1.0, 1.0]
    everywhere = guide_for(samplers["Euler"], Guidance(scale=5), ONE, sigmas)
    assert everywhere.scale_at(9.0) == everywhere.scale_at(0.001) == 5.0  # churn and midpoints, too
    nowhere = guide_for(samplers["Euler"], Guidance(scale=5, start=1), ONE, sigmas)
    assert {nowhere.scale_at(sigma) for sigma in sigmas[:-1]} == {1.0}


@pytest.mark.parametrize("share", [0.7, 1.0])
def test_rescale_is_the_papers_on_v(share: float) -> None:
    sigma, p = 3.0, rows(4)
    evaluation = Evaluation(X, sigma)
    size = (1 + sigma**2) ** 0.5

    def v(denoised: torch.Tensor) -> torch.Tensor:
        return ((X - denoised) / sigma - sigma * denoised) / size

    guided, positive = p[2:] + 7.5 * (p[:2] - p[2:]), p[:2]
    expected = rescale_noise_cfg(v(guided), v(positive), guidance_rescale=share)
    out = Guide(ONE, 7.5, rescale=share).combine(p, evaluation, VE)
    assert torch.allclose(v(out), expected, atol=1e-4)
    flowing = Guide(ONE, 7.5, rescale=share).combine(p, Evaluation(X / (1 + sigma), sigma / (1 + sigma)), FLOW)
    assert torch.allclose(flowing, out, atol=1e-4)


def test_a_picture_is_combined_by_itself() -> None:
    p = rows(4)
    guide = Guide(ONE, 7.5, rescale=0.5)
    together = guide.combine(p, Evaluation(X, 3.0), VE)
    alone = Guide(ONE[:1], 7.5, rescale=0.5).combine(p[[0, 2]], Evaluation(X[:1], 3.0), VE)
    assert torch.equal(together[:1], alone)
