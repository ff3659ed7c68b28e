"""Agreement with diffusers where the definitions coincide; docs/sampling.md says where they do not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import schedulers as peers
from torch import Tensor

from easel.sampling import VE, Levels, samplers, sampling, schedules, sigmas_for
from tests.sampling.denoisers import MIXTURE, counted, difference, run

pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")  # theirs, under numpy 2

SHAPE = (2, 4, 8, 8)
TABLE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
LEVELS = Levels.from_betas()
START = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))


def theirs(scheduler: Any, **step: Any) -> tuple[Tensor, list[float]]:
    """Return what a scheduler makes of START on the mixture, on the scale of x0, and the sigmas it went over.

    Schedulers of this kind keep x on the variance preserving scale, x / sqrt(1 + sigma^2), and are told epsilon.
    """
    sigmas = [LEVELS.table[int(t)] for t in scheduler.timesteps]
    x = START * sigmas[0] / (1 + sigmas[0] ** 2) ** 0.5
    for t, sigma in zip(list(scheduler.timesteps), sigmas, strict=True):
        scaled = x * (1 + sigma**2) ** 0.5
        epsilon = (scaled - MIXTURE(scaled, sigma)) / sigma
        x = scheduler.step(epsilon, t, x, **step).prev_sample
    return x, [*sigmas, 0.0]


def ours(name: str, sigmas: list[float], **options: Any) -> Tensor:
    return run(sampling(samplers[name], VE, START * sigmas[0], sigmas, counted(SHAPE), options), MIXTURE)


def drawn() -> dict[str, Any]:
    """Return a generator whose draws are those of `counted`."""
    return {"generator": torch.Generator().manual_seed(7)}


@pytest.fixture
def draws_like_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """diffusers draws float32 noise where `counted` rounds float64 noise; let both draw the same."""

    def randn(shape: Any, generator: torch.Generator, **_: Any) -> Tensor:
        return torch.randn(tuple(shape), generator=generator, dtype=torch.float64).float()

    for module in (peers.scheduling_ddim, peers.scheduling_ddpm, peers.scheduling_lcm, peers.scheduling_tcd):
        monkeypatch.setattr(module, "randn_tensor", randn)


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_ddim(eta: float, draws_like_ours: None) -> None:
    peer = peers.DDIMScheduler(**TABLE, steps_offset=1, clip_sample=False, set_alpha_to_one=True)
    peer.set_timesteps(20)
    expected, sigmas = theirs(peer, eta=eta, **(drawn() if eta else {}))
    assert sigmas_for(samplers["DDIM"], 20, LEVELS) == tuple(sigmas)
    assert difference(ours("DDIM", sigmas, eta=eta), expected) < 1e-5


def test_ddpm_is_the_posterior(draws_like_ours: None) -> None:
    peer = peers.DDPMScheduler(**TABLE, steps_offset=1, clip_sample=False, timestep_spacing="leading")
    peer.set_timesteps(25)
    expected, sigmas = theirs(peer, **drawn())
    assert difference(ours("DDPM", sigmas), expected) < 1e-5
    assert difference(ours("Euler a", sigmas), expected) < 1e-5


def test_plms() -> None:
    peer = peers.PNDMScheduler(**TABLE, steps_offset=1, skip_prk_steps=True, set_alpha_to_one=True)
    peer.set_timesteps(20)
    expected, _ = theirs(peer)
    sigmas = sigmas_for(samplers["PLMS"], 20, LEVELS)
    assert difference(ours("PLMS", list(sigmas)), expected) < 1e-5


@pytest.mark.parametrize("steps", [5, 20])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("variant", ["bh1", "bh2"])
def test_unipc(variant: str, order: int, steps: int) -> None:
    end = {"bh1": "sigma_min", "bh2": "zero"}[variant]  # theirs is not a number at zero with bh1
    peer = peers.UniPCMultistepScheduler(
        **TABLE, solver_type=variant, solver_order=order, steps_offset=1, final_sigmas_type=end
    )
    peer.set_timesteps(steps)
    expected, sigmas = theirs(peer)
    last = {"sigma_min": LEVELS.table[0], "zero": 0.0}[end]
    out = ours("UniPC", [*sigmas[:-1], last], variant=variant, order=order)
    assert difference(out / (1 + last**2) ** 0.5, expected) < 1e-5
    if variant == "bh2":
        assert torch.equal(ours("UniPC BH2", sigmas, order=order), out)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_deis_in_log_rho(order: int) -> None:
    peer = peers.DEISMultistepScheduler(**TABLE, solver_order=order)
    peer.set_timesteps(20)
    expected, sigmas = theirs(peer)
    last = LEVELS.table[0]  # diffusers' DEIS ends here instead of at 0
    out = ours("DEIS", [*sigmas[:-1], last], order=order, mode="logrho")
    assert difference(out / (1 + last**2) ** 0.5, expected) < 1e-5


def test_lcm_but_for_its_boundary_scaling(draws_like_ours: None) -> None:
    peer = peers.LCMScheduler(**TABLE, clip_sample=False, timestep_scaling=1e4)
    peer.set_timesteps(4)
    expected, sigmas = theirs(peer, **drawn())
    assert difference(ours("LCM", sigmas), expected) < 1e-5


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_tcd_to_its_last_step(eta: float, draws_like_ours: None) -> None:
    peer = peers.TCDScheduler(**TABLE, clip_sample=False)
    peer.set_timesteps(4)
    peer.timesteps = torch.tensor([998, 700, 400, 200, 0])  # even, so that (1 - eta) t is whole
    peer.num_inference_steps = 5
    expected, sigmas = theirs(peer, eta=eta, **drawn())
    out = ours("TCD", sigmas[:-1], eta=eta)  # up to the last level; there diffusers steps from time 0 to time 0
    assert difference(out / (1 + sigmas[-2] ** 2) ** 0.5, expected) < 2e-5


@pytest.mark.parametrize(
    "name, peer",
    [
        ("DPM++ 2M", {"solver_order": 2}),
        ("DPM++ 2M SDE", {"solver_order": 2, "algorithm_type": "sde-dpmsolver++", "euler_at_final": True}),
    ],
)
def test_dpmpp(name: str, peer: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    noise = counted(SHAPE)
    monkeypatch.setattr(peers.scheduling_dpmsolver_multistep, "randn_tensor", lambda *_, **__: noise())
    scheduler = peers.DPMSolverMultistepScheduler(**TABLE, **peer, steps_offset=1)
    scheduler.set_timesteps(20)
    expected, sigmas = theirs(scheduler)
    assert difference(ours(name, sigmas), expected) < 1e-5


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
@pytest.mark.parametrize("name", ["Euler", "Euler a"])
def test_turbo_is_trailing_as_lightning_and_the_turbo_models_are_sampled(
    name: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = {"Euler": peers.EulerDiscreteScheduler, "Euler a": peers.EulerAncestralDiscreteScheduler}[name]
    peer = kind(**TABLE, timestep_spacing="trailing")
    peer.set_timesteps(steps)
    sigmas = sigmas_for(samplers[name], steps, LEVELS, "Turbo")
    assert torch.allclose(peer.sigmas, torch.tensor(sigmas), rtol=5e-4)
    noise = counted(SHAPE)
    module = peers.scheduling_euler_ancestral_discrete
    monkeypatch.setattr(module, "randn_tensor", lambda *_, **__: noise())
    peer.sigmas = torch.tensor(sigmas)
    x = START * sigmas[0]
    for t, sigma in zip(list(peer.timesteps), sigmas, strict=False):
        x = peer.step((x - MIXTURE(x, sigma)) / sigma, t, x).prev_sample
    assert difference(ours(name, list(sigmas)), x) < 1e-5


def test_levels_are_diffusers() -> None:
    for extra in ({}, {"beta_schedule": "linear"}, {"beta_schedule": "squaredcos_cap_v2"}):
        peer = peers.DDIMScheduler(**(TABLE | extra))
        expected = ((1 - peer.alphas_cumprod) / peer.alphas_cumprod) ** 0.5
        assert torch.allclose(torch.tensor(Levels.from_betas(**(TABLE | extra)).table), expected, rtol=5e-4)
    peer = peers.EulerDiscreteScheduler(**TABLE, rescale_betas_zero_snr=True)
    levels = Levels.from_betas(**TABLE, rescale_betas_zero_snr=True)
    assert levels.sigma_max == pytest.approx(float(peer.sigmas[0]), rel=1e-4)
    assert levels.table[500] == pytest.approx(float(peer.sigmas[-2 - 500]), rel=1e-3)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_levels_are_diffusers(shift: float) -> None:
    peer = peers.FlowMatchEulerDiscreteScheduler(shift=shift)
    peer.set_timesteps(sigmas=[1 - i / 28 for i in range(28)])
    levels = Levels.from_flow(shift=shift)
    sigmas = torch.tensor(sigmas_for(samplers["Euler"], 28, levels))
    assert torch.allclose(sigmas, peer.sigmas, atol=1e-6)
    assert torch.allclose(levels.timestep(sigmas[:-1]), peer.timesteps, atol=1e-3)
    assert schedules["Simple"].make(28, levels).tolist() == sigmas[:-1].tolist()
