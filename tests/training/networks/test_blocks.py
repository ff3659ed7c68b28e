"""Blocks that learn with our kernels give and learn what diffusers' do, and leave alone what they are not for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn

from easel.models.cpu.kernels import kernels
from easel.training.networks.autoencoder import AutoencoderConfig, make_autoencoder
from easel.training.networks.blocks import OwnBlock, OwnNorm, swift
from easel.training.networks.unet import BaseConfig, make_unet

needs_kernels = pytest.mark.skipif(kernels() is None, reason="this processor has no AVX-512 BF16, or has AMX beside it")
SMALL = BaseConfig(channels=(32, 48), heads=(1, 2), attention=(False, True), groups=16)


def plain(part: nn.Module) -> nn.Module:
    """The same part of diffusers' own layers."""
    twin: Any = type(part).from_config(part.config)  # type: ignore[attr-defined]
    twin.load_state_dict(part.state_dict())
    return twin.to(memory_format=torch.channels_last)


def learned(part: nn.Module, forward: Callable[[Any], Tensor], *, half: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """What a part gives, and the gradients of its weights."""
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        out = forward(part)
    out.float().square().mean().backward()
    return out.detach().double(), {name: p.grad.double() for name, p in part.named_parameters() if p.grad is not None}


def off(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


def drawn(unet: Any) -> Tensor:
    torch.manual_seed(1)
    parts = torch.randn(3, 4, 16, 16), torch.tensor([10, 500, 900]), torch.randn(3, 7, 32)
    return unet(*parts, return_dict=False)[0]


def redrawn(autoencoder: Any) -> Tensor:
    torch.manual_seed(1)
    return autoencoder.decode(autoencoder.encode(torch.randn(2, 3, 40, 40)).latent_dist.mean).sample


def made() -> list[tuple[nn.Module, Callable[[Any], Tensor]]]:
    torch.manual_seed(0)
    config = AutoencoderConfig(channels=(16, 32, 32, 48), groups=8)
    return [(make_unet(SMALL, 32, 16), drawn), (make_autoencoder(config, 40), redrawn)]


@needs_kernels
@pytest.mark.parametrize("which", [0, 1])
def test_gradients_are_as_near_to_the_truth_as_diffusers(which: int) -> None:
    part, forward = made()[which]
    assert any(type(module) is OwnBlock for module in part.modules())
    truth, asked = learned(plain(part), forward, half=False)
    theirs, told = learned(plain(part), forward, half=True)
    own, found = learned(part, forward, half=True)
    assert found.keys() == asked.keys()
    assert off(own, truth) < max(0.02, 1.1 * off(theirs, truth))
    whole = [torch.cat([some[name].flatten() for name in asked]) for some in (found, told, asked)]
    assert off(whole[0], whole[2]) < max(0.02, 1.1 * off(whole[1], whole[2]))


@needs_kernels
def test_in_float32_a_part_is_diffusers_bit_for_bit() -> None:
    for part, forward in made():
        out, gradients = learned(part, forward, half=False)
        same, others = learned(plain(part), forward, half=False)
        assert torch.equal(out, same)
        assert all(torch.equal(gradients[name], others[name]) for name in others)


def test_names_stay_and_what_is_unusual_is_left_alone() -> None:
    for part, _ in made():
        assert part.state_dict().keys() == plain(part).state_dict().keys()
        assert isinstance(part, UNet2DConditionModel | AutoencoderKL)
    odd = nn.ModuleList([nn.GroupNorm(2, 24), nn.GroupNorm(2, 32, affine=False), nn.Linear(2, 2)])
    x = torch.randn(1, 24, 4, 4).bfloat16()
    before = copy.deepcopy(odd)[0](x)
    swift(odd)
    assert type(odd[1]) is nn.GroupNorm and torch.equal(odd[0](x), before)
    assert isinstance(odd[0], OwnNorm) or kernels() is None
