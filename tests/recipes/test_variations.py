"""Variations, resized seeds and ENSD: A1111's numbers, and picture i of a batch equal to the same made alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from easel.core.passes import Variation
from easel.core.work import Decode
from easel.models.family import Model
from easel.prompt import infotext
from easel.sampling import PictureNoise
from easel.sampling.variations import slerp, starting_noise
from tests.recipes.telling import ask, told

LATER = {(4, 8, 8): 0.1949381, (4, 8, 5): 0.4758533, (4, 9, 8): -0.6358836}


@pytest.mark.parametrize(
    ("shape", "other", "strength", "cells", "row", "total", "squares"),
    [
        ((4, 8, 8), 9, 0.3, None, [-0.6000377, -0.813764, 0.4864945, -1.6978263], 3.09264, 258.0532),
        ((4, 8, 8), 9, 1.0, None, [0.3793971, -0.8496488, 0.3059713, 0.0850183], -18.71436, 246.502),
        ((4, 8, 8), 0, 0.0, (4, 6), [-0.8156454, -0.4373984, 0.7792338, -0.0583395], 5.53091, 274.2681),
        ((4, 8, 5), 0, 0.0, (9, 9), [0.5032901, -0.2226354, -0.1118557, -0.2101882], 12.30117, 147.8642),
        ((4, 9, 8), 9, 0.6, (6, 5), [-0.3642082, -0.7471687, 1.7891121, 0.0294809], 4.02016, 287.7923),
        ((4, 8, 8), 5, 0.25, None, [-0.8156454, -0.3838674, 0.4020611, -1.433809], 12.16913, 257.9245),
    ],
)
def test_the_numbers_are_a1111_s(
    shape: tuple[int, int, int],
    other: int,
    strength: float,
    cells: tuple[int, int] | None,
    row: list[float],
    total: float,
    squares: float,
) -> None:
    """Golden values of its ImageRNG with seed 5 and source CPU; the next draw shows where its generator stands."""
    pictures = PictureNoise([5], shape)
    (noise,) = starting_noise(pictures, seeds=[other], strength=strength, cells_from=cells)
    assert noise[1, 2, :4].tolist() == pytest.approx(row, abs=1e-6)
    assert float(noise.double().sum()) == pytest.approx(total, abs=1e-3)
    assert float(noise.double().square().sum()) == pytest.approx(squares, abs=1e-2)
    assert float(pictures.draw()[0, 0, 0, 0]) == pytest.approx(LATER[shape], abs=1e-6)


def test_nearly_alike_noises_are_mixed_with_their_ends_exchanged() -> None:
    """A1111's fallback, kept because pictures in the wild were made with it."""
    low = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(1))
    high = low * 1.0001
    assert torch.equal(slerp(0.25, low, high), low * 0.25 + high * 0.75)


def test_columns_of_one_cell_give_numbers() -> None:
    """Eight pixels high: every column is a point, with no arc to its opposite."""
    low, high = (torch.randn(4, 1, 6, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert bool(slerp(0.5, low, high).isfinite().all())


def latents_of(model: Model, **fields: Any) -> Tensor:
    """Latents that a request decodes."""
    works, _ = told(ask(**fields), model)
    return next(work.latents for work in works if isinstance(work, Decode))


def test_strength_zero_is_the_seed_and_one_is_the_other(tiny: Model) -> None:
    plain, other = latents_of(tiny, seed=3), latents_of(tiny, seed=8)
    assert torch.equal(plain, latents_of(tiny, seed=3, variation=Variation(seed=8)))
    far = latents_of(tiny, seed=3, variation=Variation(seed=8, strength=1.0))
    assert torch.allclose(far, other, atol=1e-4)
    steps = [latents_of(tiny, seed=3, variation=Variation(seed=8, strength=s)) for s in (0.1, 0.4)]
    near, further = (float((one - plain).square().mean()) for one in steps)
    assert 0 < near < further


@pytest.mark.parametrize("sampler", ["DPM++ 2M", "Euler a", "DPM++ 2M SDE"])
@pytest.mark.parametrize("noise", ["CPU", "NV"])
def test_picture_i_of_a_batch_is_the_picture_made_alone(tiny: Model, sampler: str, noise: str) -> None:
    fields: dict[str, Any] = {
        "sampler": sampler,
        "noise": noise,
        "ensd": 31337,
        "variation": Variation(seed=50, strength=0.3, resize_from=(48, 40)),
    }
    request = ask(batch_size=3, **fields)
    works, pictures = told(request, tiny)
    batch = next(work.latents for work in works if isinstance(work, Decode))
    assert [picture.seed for picture in pictures] == [3, 3, 3]
    for i in range(3):
        works, (alone,) = told(request.one(i), tiny)
        latents = next(work.latents for work in works if isinstance(work, Decode))
        assert torch.allclose(latents[0], batch[i], atol=1e-3)
        for picture in (alone, pictures[i]):
            read = infotext.read(picture.infotext).fields
            assert (read["Variation seed"], read["Variation seed strength"]) == (str(50 + i), "0.3")


def test_a_resized_seed_keeps_the_middle(tiny: Model) -> None:
    """The noise in the middle is that of the smaller size, so it stands for the same composition."""
    small = PictureNoise([3], (4, 5, 6)).draw()
    (grown,) = starting_noise(PictureNoise([3], (4, 8, 8)), cells_from=(5, 6))
    assert torch.equal(grown[:, 1:6, 1:7], small[0])
    plain = latents_of(tiny)
    assert not torch.equal(plain, latents_of(tiny, variation=Variation(resize_from=(48, 40))))
    assert torch.equal(plain, latents_of(tiny, variation=Variation(resize_from=(64, 64))))


def test_ensd_moves_later_noise_only(tiny: Model) -> None:
    """So a sampler without later noise does not notice it, and one with it does."""
    assert torch.equal(latents_of(tiny, sampler="Euler"), latents_of(tiny, sampler="Euler", ensd=5))
    assert not torch.equal(latents_of(tiny, sampler="Euler a"), latents_of(tiny, sampler="Euler a", ensd=5))
    assert torch.equal(latents_of(tiny, sampler="DPM++ SDE"), latents_of(tiny, sampler="DPM++ SDE", ensd=5))
