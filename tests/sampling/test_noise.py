"""Noise: golden values, one generator a picture, nothing that depends on the batch."""

from __future__ import annotations

import pytest
import torch

from easel.core.errors import UnknownName
from easel.sampling import Levels, PictureNoise, noise_for, samplers, sigmas_for
from easel.sampling.brownian import BrownianNoise, BrownianTree
from easel.sampling.philox import Philox

SHAPE = (4, 8, 8)


def test_philox_golden_values() -> None:
    """The first row is of a CUDA device, whose sine is a little rough; the others are of A1111's imitation."""
    first = Philox(0).randn((3, 4))
    assert first[0].tolist() == pytest.approx([-0.92466259, -0.42534415, -2.6438457, 0.14518388], abs=3e-7)
    stream = Philox(42)
    assert stream.randn((4,)).tolist() == pytest.approx([0.19401887, 2.1613739, -0.17205095, 0.84906], abs=6e-8)
    assert stream.randn((4,)).tolist() == pytest.approx([0.13913749, -0.10821616, -0.7174222, 0.75664866], abs=6e-8)
    assert Philox(2**32 + 5).randn((3,)).tolist() == pytest.approx([-2.8427474, 1.3404924, 0.27223086], abs=5e-8)


def test_philox_is_normal() -> None:
    values = Philox(1).randn((200, 500))
    assert values.dtype == torch.float32
    assert abs(float(values.mean())) < 0.01 and abs(float(values.std()) - 1) < 0.01
    assert bool(values.isfinite().all())


def test_cpu_noise_is_torchs_own() -> None:
    generator = torch.Generator().manual_seed(12)
    pictures = PictureNoise([12], SHAPE)
    for _ in range(2):
        assert torch.equal(pictures.draw()[0], torch.randn(SHAPE, generator=generator))


@pytest.mark.parametrize("source", ["CPU", "NV"])
@pytest.mark.parametrize("name", ["Euler a", "DPM++ SDE"])
def test_a_picture_of_a_batch_is_the_picture_alone(name: str, source: str) -> None:
    sigmas = sigmas_for(samplers[name], 6, Levels.from_betas())
    batch = PictureNoise([7, 8, 9], SHAPE, source)
    first = batch.draw()
    noise = noise_for(samplers[name], batch, sigmas)
    later = [noise(sigmas[0], sigmas[1]), noise(sigmas[2], sigmas[3])]
    for i, seed in enumerate([7, 8, 9]):
        alone = PictureNoise([seed], SHAPE, source)
        assert torch.equal(alone.draw()[0], first[i])
        same = noise_for(samplers[name], alone, sigmas)
        assert torch.equal(same(sigmas[0], sigmas[1])[0], later[0][i])
        assert torch.equal(same(sigmas[2], sigmas[3])[0], later[1][i])


def test_ensd_moves_later_noise_alone() -> None:
    pictures = PictureNoise([5], SHAPE)
    pictures.draw()
    sigmas = (1.0, 0.5, 0.0)
    assert torch.equal(
        noise_for(samplers["Euler a"], pictures, sigmas, ensd=31)(1.0, 0.5), PictureNoise([36], SHAPE).draw()
    )
    brownian = noise_for(samplers["DPM++ SDE"], pictures, sigmas, ensd=31)
    assert torch.equal(brownian(1.0, 0.5), BrownianNoise(pictures, 0.5, 1.0)(1.0, 0.5))


@pytest.mark.parametrize("source", ["CPU", "NV"])
def test_a_brownian_path_is_one_path(source: str) -> None:
    """Increments add up, whatever was asked before, and have the variance of their length."""
    tree = BrownianTree(0.03, 14.6, (64, 64), 3, source)
    whole = tree(0.5, 9.0)
    parts = tree(0.5, 2.25) + tree(2.25, 9.0)
    assert torch.allclose(whole, parts, atol=1e-5)
    assert torch.equal(whole, BrownianTree(0.03, 14.6, (64, 64), 3, source)(0.5, 9.0))
    assert float(whole.std()) == pytest.approx(8.5**0.5, rel=0.05)
    assert not bool(tree(1.0, 1.0).any())


def test_seeds_of_any_size_and_unknown_sources() -> None:
    assert PictureNoise([2**64 + 1, -1], SHAPE).draw().shape == (2, *SHAPE)
    assert PictureNoise([2**64 + 1, -1], SHAPE, "NV").draw().shape == (2, *SHAPE)
    with pytest.raises(UnknownName, match="noise source"):
        PictureNoise([1], SHAPE, "GPU").draw()
