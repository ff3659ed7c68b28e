"""Distillation at toy size: curves are the sampler's, the loss falls, resumed is straight, the file fits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.lora_conversion_utils import _convert_non_diffusers_lora_to_diffusers
from safetensors.torch import load_file
from torch.func import functional_call

from easel.adapters.networks.fitting import fitted
from easel.adapters.networks.merging import merged
from easel.adapters.networks.reading import read_network
from easel.sampling.samplers import samplers
from easel.sampling.schedules import sigmas_for
from easel.training.companions import distillation as few
from easel.training.embedded.recipe import toy
from easel.training.learning.loop import Plan, train
from easel.training.learning.lowrank import Factors
from easel.training.networks.unet import make_unet

SMALL = toy()
CONFIG = few.FewStepConfig(steps=2, teacher_steps=4, rank=4, pictures=8, chunk=4, batch=4)
WIDTH, SIDE = 32, 8


def tiny_unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return make_unet(SMALL.base, WIDTH, SIDE).requires_grad_(False).eval()


def curves_of(unet: UNet2DConditionModel) -> few.Curves:
    contexts = torch.randn(CONFIG.pictures, 77, WIDTH, generator=torch.Generator().manual_seed(1))
    teacher = few.guided(unet, contexts, torch.zeros(1, 77, WIDTH), 2.5)
    stops = few.teacher_curve(teacher, few.starting_noise(range(CONFIG.pictures), SIDE), CONFIG)
    return few.Curves(stops.half(), contexts.half())


def trained(folder: Path, plan: Plan, stops: tuple[int | None, ...] = (None,)) -> tuple[Factors, float, float]:
    """Return factors after training, and the loss over some steps before and after."""
    unet = tiny_unet()
    curves = curves_of(unet)
    factors, before = Factors(unet, CONFIG.rank), 0.0
    for number, stop in enumerate(stops):
        factors = Factors(unet, CONFIG.rank)
        losses = few.make_losses(unet, factors, curves, CONFIG)
        before = before if number else total(losses)
        train(factors, losses, plan, folder, stop_at=stop)
    return factors, before, total(few.make_losses(unet, factors, curves, CONFIG))


@torch.no_grad()
def total(losses: Any) -> float:
    return sum(float(losses(step)["loss"]) for step in range(1000, 1004))


def test_curves_to_one_picture_are_straight_for_teacher_and_student() -> None:
    picture = torch.randn(3, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    noise = few.starting_noise(range(3), SIDE)
    config = few.FewStepConfig(steps=4, teacher_steps=8)
    sigmas = few.student_sigmas(config)
    epsilon = noise - picture / sigmas[0]
    wanted = [few.unit(picture + sigma * epsilon, sigma) for sigma in sigmas]
    taught = few.teacher_curve(lambda x, sigma: picture, noise, config)
    assert torch.allclose(taught[:, 0], wanted[0], atol=1e-5)
    for number, stop in enumerate(few.student_stops(lambda x, sigma: picture, noise, sigmas), 1):
        assert torch.allclose(taught[:, number], wanted[number], atol=1e-4)
        assert torch.allclose(stop, wanted[number], atol=1e-4)


def test_the_student_stops_where_the_teacher_passes() -> None:
    config = few.FewStepConfig()
    passed = sigmas_for(samplers[few.TEACHER], config.teacher_steps, few.starter_levels(), few.SCHEDULE)
    assert passed[:: config.teacher_steps // config.steps] == few.student_sigmas(config)
    with pytest.raises(ValueError, match="multiple"):
        few.FewStepConfig(steps=4, teacher_steps=10)
    with pytest.raises(ValueError, match="no more than"):
        few.FewStepConfig(pictures=8)


def test_the_student_learns_a_few_curves(tmp_path: Path) -> None:
    plan = Plan(steps=30, warmup=3, learning_rate=1e-2, weight_decay=0.0, average=0.8)
    _, before, after = trained(tmp_path, plan)
    assert after < 0.8 * before


def test_a_resumed_run_equals_a_straight_one_bit_for_bit(tmp_path: Path) -> None:
    plan = Plan(steps=5, warmup=2, learning_rate=1e-3)
    straight, *_ = trained(tmp_path / "straight", plan)
    resumed, *_ = trained(tmp_path / "resumed", plan, (2, None))
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])
    assert any(bool(up.any()) for up in straight.up.values())


@pytest.fixture(scope="module")
def factors() -> Factors:
    """Factors that change every layer."""
    made = Factors(tiny_unet(), 4, seed=3)
    torch.manual_seed(5)
    for up in made.up.values():
        torch.nn.init.normal_(up, std=0.05)
    return made.requires_grad_(False)


def seen(unet: UNet2DConditionModel, weights: Mapping[str, torch.Tensor] | None = None) -> torch.Tensor:
    x = few.starting_noise(range(2), SIDE)
    context = torch.randn(2, 77, WIDTH, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        return functional_call(unet, dict(weights or {}), (x, torch.tensor([300.0, 700.0]), context)).sample


def test_new_factors_change_nothing() -> None:
    unet = tiny_unet()
    own = dict(unet.named_parameters())
    weights = Factors(unet, 4).weights(own, torch.float32)
    assert len(weights) > 40
    assert all(torch.equal(weight, own[name]) for name, weight in weights.items())


def test_the_file_is_worn_by_every_layer_and_not_at_strength_0(tmp_path: Path, factors: Factors) -> None:
    unet = tiny_unet()
    plain = seen(unet)
    expected = seen(unet, factors.weights(dict(unet.named_parameters()), torch.float32))
    network = read_network(factors.save(tmp_path / "few.safetensors", {}, 3.0))
    fit = fitted(network, {"unet": unet})
    assert not fit.unused and not network.unknown and set(fit.parts["unet"].pieces) == set(factors.layers.values())
    with merged(unet, [(fit.parts["unet"], 1.0)]):
        assert (seen(unet) - expected).abs().max() < 2e-3 < (expected - plain).abs().max() / 10
    with merged(unet, [(fit.parts["unet"], 0.0)]):
        assert torch.equal(seen(unet), plain)
    assert torch.equal(seen(unet), plain)


def test_diffusers_reads_the_same_of_the_file(tmp_path: Path, factors: Factors) -> None:
    unet: Any = tiny_unet()
    expected = seen(unet, factors.weights(dict(unet.named_parameters()), torch.float32))
    state = load_file(factors.save(tmp_path / "few.safetensors", {}, 3.0))
    theirs, alphas = _convert_non_diffusers_lora_to_diffusers(state)
    unet.load_lora_adapter(theirs, prefix="unet", network_alphas=alphas)
    assert (seen(unet) - expected).abs().max() < 2e-3
