"""Agreement with k-diffusion: samplers in float32 and in float64, schedules and Brownian noise to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
import torch

from easel.sampling import VE, Levels, PictureNoise, noise_for, samplers, sampling, sigmas_for
from easel.sampling.brownian import BrownianNoise
from tests.sampling.denoisers import MIXTURE, counted, difference, run
from tests.sampling.peers import as_model, k_diffusion

SHAPE = (2, 4, 8, 8)
LEVELS = Levels.from_betas()
PEERS = {
    "Euler": "euler",
    "Euler a": "euler_ancestral",
    "LMS": "lms",
    "Heun": "heun",
    "DPM2": "dpm_2",
    "DPM2 a": "dpm_2_ancestral",
    "DPM++ 2S a": "dpmpp_2s_ancestral",
    "DPM++ 2M": "dpmpp_2m",
    "DPM++ SDE": "dpmpp_sde",
    "DPM++ 2M SDE": "dpmpp_2m_sde",
    "DPM++ 3M SDE": "dpmpp_3m_sde",
}
OPTIONS: dict[str, dict[str, Any]] = {
    "Euler": {"s_churn": 12.0, "s_tmin": 0.3, "s_tmax": 8.0, "s_noise": 1.01},
    "Heun": {"s_churn": 12.0, "s_tmin": 0.3, "s_tmax": 8.0, "s_noise": 1.01},
    "DPM2": {"s_churn": 12.0, "s_tmin": 0.3, "s_tmax": 8.0, "s_noise": 1.01},
    "LMS": {"order": 3},
    "DPM++ SDE": {"eta": 0.6, "s_noise": 1.02, "r": 0.4},
} | {
    name: {"eta": 0.6, "s_noise": 1.02} for name in ("Euler a", "DPM2 a", "DPM++ 2S a", "DPM++ 2M SDE", "DPM++ 3M SDE")
}

pytestmark = pytest.mark.filterwarnings("ignore:Should have:UserWarning")  # torchsde's, at the ends of a path


@pytest.fixture
def whole_precision() -> Iterator[Callable[[torch.dtype], None]]:
    """Return how to set the precision in which k-diffusion makes tensors of numbers; put back afterwards."""
    yield torch.set_default_dtype
    torch.set_default_dtype(torch.float32)


def start(dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


@contextmanager
def drawing_like_ours(dtype: torch.dtype) -> Iterator[None]:
    """k-diffusion's churn draws from the global generator; let it draw what `counted` draws."""
    draw, kept = counted(SHAPE, dtype=dtype), torch.randn_like
    torch.randn_like = lambda *_, **__: draw()
    try:
        yield
    finally:
        torch.randn_like = kept


@pytest.mark.parametrize("dtype, limit", [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("steps", [3, 20])
@pytest.mark.parametrize("name", PEERS)
def test_samplers(name: str, steps: int, dtype: torch.dtype, limit: float) -> None:
    entry = samplers[name]
    sigmas = sigmas_for(entry, steps, LEVELS)
    x = start(dtype) * sigmas[0]
    for options in ({}, OPTIONS.get(name, {})):
        own = {"noise_sampler": counted(SHAPE, dtype=dtype)} if entry.facts["stochastic"] else {}
        with drawing_like_ours(dtype):
            expected = getattr(k_diffusion(), f"sample_{PEERS[name]}")(
                as_model(MIXTURE), x, torch.tensor(sigmas, dtype=dtype), disable=True, **own, **options
            )
        out = run(sampling(entry, VE, x, sigmas, counted(SHAPE, dtype=dtype), options), MIXTURE)
        assert out.dtype == dtype
        assert difference(out, expected) < limit


def test_dpmpp_2m_sde_heun() -> None:
    entry = samplers["DPM++ 2M SDE Heun"]
    sigmas = sigmas_for(entry, 20, LEVELS)
    x = start(torch.float32) * sigmas[0]
    expected = k_diffusion().sample_dpmpp_2m_sde(
        as_model(MIXTURE), x, torch.tensor(sigmas), noise_sampler=counted(SHAPE), solver_type="heun", disable=True
    )
    assert difference(run(sampling(entry, VE, x, sigmas, counted(SHAPE)), MIXTURE), expected) < 1e-5


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("steps", [4, 5, 6, 20])
def test_dpm_fast(steps: int, eta: float, whole_precision: Callable[[torch.dtype], None]) -> None:
    entry = samplers["DPM fast"]
    sigmas = sigmas_for(entry, steps, LEVELS)
    for dtype, limit in ((torch.float32, 1e-5), (torch.float64, 1e-7)):
        whole_precision(dtype)
        x = start(dtype) * sigmas[0]
        expected = k_diffusion().sample_dpm_fast(
            as_model(MIXTURE), x, sigmas[-2], sigmas[0], steps, eta=eta, noise_sampler=counted(SHAPE, dtype=dtype),
            disable=True,
        )  # fmt: skip
        out = run(sampling(entry, VE, x, sigmas, counted(SHAPE, dtype=dtype), {"eta": eta}), MIXTURE)
        assert difference(out, expected) < limit


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("order", [2, 3])
def test_dpm_adaptive(order: int, eta: float, whole_precision: Callable[[torch.dtype], None]) -> None:
    """In float32 the error estimate's own rounding moves the steps, so that only float64 shows the equality."""
    entry = samplers["DPM adaptive"]
    sigmas = sigmas_for(entry, 10, LEVELS)
    for dtype, limit in ((torch.float32, 2e-4), (torch.float64, 1e-7)):
        whole_precision(dtype)
        x = start(dtype) * sigmas[0]
        expected = k_diffusion().sample_dpm_adaptive(
            as_model(MIXTURE), x, sigmas[-2], sigmas[0], order=order, eta=eta,
            noise_sampler=counted(SHAPE, dtype=dtype), disable=True,
        )  # fmt: skip
        options = {"order": order, "eta": eta}
        out = run(sampling(entry, VE, x, sigmas, counted(SHAPE, dtype=dtype), options), MIXTURE)
        assert difference(out, expected) < limit


@pytest.mark.parametrize("name", ["DPM++ SDE", "DPM++ 2M SDE", "DPM++ 3M SDE"])
def test_brownian_samplers_with_their_own_noise(name: str) -> None:
    """From the seed to x0: this is what makes A1111's pictures come out again."""
    entry, seeds = samplers[name], [3, 4]
    sigmas = sigmas_for(entry, 20, LEVELS)
    pictures = PictureNoise(seeds, SHAPE[1:])
    x = pictures.draw() * sigmas[0]
    tensor = torch.tensor(sigmas)
    tree = k_diffusion().BrownianTreeNoiseSampler(x, tensor[tensor > 0].min(), tensor.max(), seed=seeds)
    expected = getattr(k_diffusion(), f"sample_{PEERS[name]}")(
        as_model(MIXTURE), x, tensor, noise_sampler=tree, disable=True
    )
    assert difference(run(sampling(entry, VE, x, sigmas, noise_for(entry, pictures, sigmas)), MIXTURE), expected) < 1e-5


@pytest.mark.parametrize("steps", [2, 30])
def test_brownian_noise_is_torchsdes_to_the_last_bit(steps: int) -> None:
    sigmas = torch.tensor(sigmas_for(samplers["DPM++ SDE"], steps, LEVELS))[:-1]
    pictures = PictureNoise([11, 2**40 + 1], (4, 8, 8))
    theirs = k_diffusion().BrownianTreeNoiseSampler(torch.zeros(SHAPE), sigmas[-1], sigmas[0], seed=[11, 2**40 + 1])
    ours = BrownianNoise(pictures, float(sigmas[-1]), float(sigmas[0]))
    asked = list(pairwise(sigmas))
    asked += [(sigmas[0], sigmas[-1]), (torch.tensor(3.0), torch.tensor(1.5)), *asked[:2]]
    for high, low in asked:
        assert torch.equal(ours(float(high), float(low)), theirs(high, low))


@pytest.mark.parametrize("steps", [1, 2, 20, 999])
def test_schedules(steps: int) -> None:
    ends = steps, LEVELS.sigma_min, LEVELS.sigma_max
    peer = k_diffusion()
    table = torch.tensor(LEVELS.table)
    logs = table.log()
    t = torch.linspace(len(table) - 1, 0, steps)
    uniform = ((1 - t.frac()) * logs[t.floor().long()] + t.frac() * logs[t.ceil().long()]).exp()
    for name, expected in (
        ("Karras", peer.get_sigmas_karras(*ends)),
        ("Exponential", peer.get_sigmas_exponential(*ends)),
        ("Polyexponential", peer.get_sigmas_polyexponential(*ends)),
        ("Uniform", peer.append_zero(uniform)),
    ):
        assert sigmas_for(samplers["Euler"], steps, LEVELS, name) == tuple(expected.tolist())
