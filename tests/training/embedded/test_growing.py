"""A network begins from an exported one as far as they fit, also from one with a level less."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel

from easel.training.embedded.growing import begin_from, taken
from easel.training.networks.unet import BaseConfig, make_unet

SMALL = BaseConfig(channels=(16, 32), heads=(1, 2), attention=(False, True), groups=8)


def test_a_larger_unet_grows_around_a_smaller(tmp_path: Path) -> None:
    small = make_unet(SMALL, 32, 16)
    small.save_pretrained(tmp_path)
    config = BaseConfig(channels=(8, 16, 32), heads=(1, 1, 2), attention=(False, True, True), groups=8)
    large = make_unet(config, 32, 16)
    begin_from(large, tmp_path)
    own, known = large.state_dict(), small.state_dict()
    for name in ("mid_block.attentions.0.proj_in.weight", "up_blocks.0.resnets.0.conv1.weight"):
        assert torch.equal(own[name], known[name])
    inner = "attentions.0.transformer_blocks.0.attn2.to_k.weight"
    assert torch.equal(own[f"down_blocks.2.{inner}"], known[f"down_blocks.1.{inner}"])
    assert not own["down_blocks.1.attentions.0.proj_out.weight"].any()  # a look that the smaller one does not have
    assert isinstance(large, UNet2DConditionModel)


def test_what_has_no_place_is_left_out_and_what_is_not_known_stays(tmp_path: Path) -> None:
    looking = make_unet(replace(SMALL, attention=(True, True)), 32, 8)
    looking.save_pretrained(tmp_path)
    plain, wider = make_unet(SMALL, 32, 8), make_unet(replace(SMALL, channels=(16, 48), heads=(1, 3)), 32, 8)
    before = {name: value.clone() for name, value in wider.state_dict().items()}
    begin_from(plain, tmp_path)
    begin_from(wider, tmp_path)
    known = looking.state_dict()
    assert all(torch.equal(value, known[name]) for name, value in plain.state_dict().items())
    assert torch.equal(wider.state_dict()["conv_in.weight"], known["conv_in.weight"])
    name = "down_blocks.1.resnets.0.conv1.weight"
    own = wider.state_dict()[name]
    assert torch.equal(own[:32], known[name]) and torch.equal(own[32:], before[name][32:])


def test_numbers_are_taken_where_both_have_a_place() -> None:
    assert taken(torch.zeros(2, 3), torch.ones(3, 2)).tolist() == [[1, 1, 0], [1, 1, 0]]


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no safetensors file"):
        begin_from(make_unet(SMALL, 32, 8), tmp_path)
