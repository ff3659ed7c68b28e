"""A U-Net grows round one for latents of half the size: time, noise and what the levels inside see and say."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.resnet import ResnetBlock2D

from easel.training.embedded.growing import begin_with
from easel.training.embedded.half import inner
from easel.training.embedded.practising import Batch
from easel.training.embedded.recipe import toy
from easel.training.embedded.settling import heard, hold, inside, make_losses, quieter, retimed, seams, shrunk
from easel.training.embedded.workshop import Workshop, open_workshop
from easel.training.learning.loop import Plan, train
from easel.training.learning.objectives import alpha_bars, levels_at
from easel.training.networks.unet import BETA_END, BETA_START, STEPS, BaseConfig, make_unet, noise_levels
from easel.training.world.scenes import generator

CONFIG = BaseConfig(channels=(32, 48, 64), heads=(1, 1, 2), attention=(False, True, True), groups=16, batch=4)


@pytest.fixture(scope="module")
def small() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return make_unet(inner(CONFIG), 16, 8)


@pytest.fixture
def whole(small: UNet2DConditionModel) -> UNet2DConditionModel:
    torch.manual_seed(1)
    unet = make_unet(CONFIG, 16, 16)
    begin_with(unet, small.state_dict())
    return unet


def test_a_picture_made_smaller_is_the_smaller_picture_at_the_quieter_time() -> None:
    torch.manual_seed(0)
    t = torch.tensor([50, 400, 800, 999])
    z, eps = torch.randn(4, 4, 16, 16), torch.randn(4, 4, 32, 32)
    alpha_bar = alpha_bars(STEPS, BETA_START, BETA_END)
    a, s = levels_at(alpha_bar, t)
    x = a * z.repeat_interleave(2, 2).repeat_interleave(2, 3) + s * eps
    now = quieter(t)
    assert torch.all(now < t)
    a, s = levels_at(alpha_bar, now.round().long())
    noise = (shrunk(x, t) - a * z) / s
    assert torch.allclose(noise.std((1, 2, 3)), torch.ones(4), atol=0.1)
    assert torch.allclose((noise * z).mean((1, 2, 3)), torch.zeros(4), atol=0.1)


def test_the_quieter_time_has_the_weaker_noise_and_is_never_negative() -> None:
    alpha_bar = alpha_bars(STEPS, BETA_START, BETA_END).double()
    sigmas = ((1 - alpha_bar) / alpha_bar).sqrt()
    t = torch.tensor([100, 500, 900])
    assert torch.allclose(sigmas[quieter(t).round().long()], sigmas[t] / 2, rtol=0.02)
    assert quieter(torch.tensor([0])).tolist() == [0.0]
    assert torch.allclose(quieter(t, 1), t.float(), atol=1e-3)


def test_blocks_inside_hear_at_each_time_what_they_heard_at_the_quieter(
    whole: UNet2DConditionModel, small: UNet2DConditionModel
) -> None:
    retimed(whole, small)
    t, blocks = torch.arange(STEPS), dict(whole.named_modules())
    for name, block in small.named_modules():
        if isinstance(block, ResnetBlock2D):
            wanted = block.time_emb_proj(heard(small, quieter(t)))
            mine = blocks[inside(name)]
            assert isinstance(mine, ResnetBlock2D) and mine.time_emb_proj is not None
            error = (mine.time_emb_proj(heard(whole, t)) - wanted).square().mean()
            assert error < 0.02 * wanted.var()
            size, usual = (one.time_emb_proj.weight.square().mean() for one in (mine, block))
            assert size < 4 * usual  # twice as large: still of the usual size, so that small steps change little


def test_what_stands_inside_is_held(whole: UNet2DConditionModel, small: UNet2DConditionModel) -> None:
    hold(whole, small)
    learns = {name: p.requires_grad for name, p in whole.named_parameters()}
    assert learns["conv_in.weight"] and learns["down_blocks.0.resnets.0.time_emb_proj.weight"]
    assert learns["down_blocks.1.resnets.0.conv1.weight"]  # which sees fewer channels than the small one's
    assert not learns["down_blocks.1.resnets.0.conv2.weight"] and not learns["time_embedding.linear_1.weight"]
    assert not learns["mid_block.resnets.0.time_emb_proj.weight"]
    assert not learns["down_blocks.2.resnets.0.conv1.weight"] and not learns["up_blocks.0.resnets.0.conv1.weight"]
    assert learns["up_blocks.2.resnets.0.conv1.weight"] and learns["conv_out.weight"]


def test_the_seams_come_together(
    whole: UNet2DConditionModel,
    small: UNet2DConditionModel,
    every_subject: tuple[object, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    shop: Workshop = open_workshop(replace(toy(), base=CONFIG), tmp_path_factory.mktemp("shop"), "cpu")
    noiser = noise_levels(torch.device("cpu"), 0.8)

    def batches(step: int) -> Batch:
        rng = generator(7, step % 4)
        latents = torch.from_numpy(rng.normal(size=(4, 4, 16, 16))).float()
        return Batch(noiser.noised(latents, rng), torch.zeros(4, 77, 16), square=True)

    retimed(whole, small)
    hold(whole, small)
    losses = make_losses(shop, whole, small, batches)
    held = whole.state_dict()["mid_block.resnets.0.conv1.weight"].clone()
    before = losses(0)
    plan = Plan(steps=60, warmup=3, learning_rate=5e-3, muon=True, average=0.8)
    train(whole, losses, plan, tmp_path_factory.mktemp("settling"))
    after = losses(0)
    assert after["down"] < 0.6 * before["down"] and after["up"] < before["up"]
    assert torch.equal(whole.state_dict()["mid_block.resnets.0.conv1.weight"], held)
    assert len(seams(whole, small)) == 2
