"""Motion modules from files with AnimateDiff's names and from diffusers' folders: the same numbers either way."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from easel.adapters.motion.loading import load_motion
from easel.core.errors import Incomplete, Mismatch, Unrecognised
from easel.models.family import Model
from tests.adapters.motion.making import FRAMES, published, tiny_net, write_motion, write_published


def test_a_folder_and_a_file_hold_the_same(tiny: Model, tmp_path: Path) -> None:
    net = tiny_net(groups=32)
    folder = load_motion(write_motion(tmp_path / "folder", net), tiny.machine)
    inside = load_motion(tmp_path / "folder" / "diffusion_pytorch_model.safetensors", tiny.machine)
    file = load_motion(write_published(tmp_path / "mm.safetensors", net), tiny.machine)
    wanted = net.state_dict()
    for loaded in (folder, inside, file):
        found = loaded.net.state_dict()
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], value) for name, value in wanted.items())
        assert loaded.longest == FRAMES
    assert file.net.down_blocks[0].motion_modules[0].norm.num_groups == 32


def test_pickles_and_names_of_a_training_are_read(tiny: Model, tmp_path: Path) -> None:
    tensors = {f"module.{name}": value for name, value in published(tiny_net().state_dict()).items()}
    torch.save({"state_dict": tensors}, tmp_path / "mm.ckpt")
    assert load_motion(tmp_path / "mm.ckpt", tiny.machine).longest == FRAMES


def test_what_is_missing_or_has_no_place_is_named(tiny: Model, tmp_path: Path) -> None:
    whole = published(tiny_net().state_dict())
    gone = "up_blocks.1.motion_modules.1.temporal_transformer.proj_out.weight"
    save_file({name: value for name, value in whole.items() if name != gone}, tmp_path / "less.safetensors")
    with pytest.raises(Incomplete, match=r"less\.safetensors: 1 tensors are missing"):
        load_motion(tmp_path / "less.safetensors", tiny.machine)
    save_file(whole | {"something.weight": torch.zeros(1)}, tmp_path / "more.safetensors")
    with pytest.raises(Mismatch, match=r"'something\.weight' has no place in a motion module"):
        load_motion(tmp_path / "more.safetensors", tiny.machine)
    lcm = {name: value for name, value in whole.items() if "pos_encoder" not in name}
    save_file(lcm, tmp_path / "lcm.safetensors")
    with pytest.raises(Unrecognised, match="as AnimateLCM has none"):
        load_motion(tmp_path / "lcm.safetensors", tiny.machine)
