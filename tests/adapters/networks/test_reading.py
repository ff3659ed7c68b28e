"""What a network's file tells: its scale, its hash, its words, for which family it is made; and short ranks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

from easel.adapters.networks.fitting import fitted
from easel.adapters.networks.lowrank import LowRank
from easel.adapters.networks.merging import merged
from easel.adapters.networks.origin import made_for
from easel.adapters.networks.reading import read_network, shortened
from easel.core.errors import Incomplete, Unsafe, Unsupported
from tests.adapters.networks.making import lora, written

STEM = "lora_unet_conv_in"


def part() -> nn.Module:
    """Return a part with one layer."""
    module = nn.Module()
    torch.manual_seed(0)
    module.conv_in = nn.Linear(6, 10).requires_grad_(False)
    return module


def test_scale_is_alpha_over_rank_and_one_without(tmp_path: Path) -> None:
    factors = {f"{STEM}.lora_{role}.weight": value for role, value in lora(nn.Linear(6, 10), 1).items()}
    scales = {}
    for name, more in {"none": {}, "alpha": {"alpha": 2.0}, "scale": {"alpha": 2.0, "scale": 3.0}}.items():
        numbers = {f"{STEM}.{key}": torch.tensor(value) for key, value in more.items()}
        (piece,) = read_network(written(tmp_path, factors | numbers, name)).pieces
        assert isinstance(piece.change, LowRank)
        scales[name] = piece.change.scale
    assert scales == {"none": 1.0, "alpha": 0.5, "scale": 3.0}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_files_in_fewer_bits(tmp_path: Path, dtype: torch.dtype) -> None:
    factors = {f"{STEM}.lora_{role}.weight": value.to(dtype) for role, value in lora(nn.Linear(6, 10), 1).items()}
    module = part()
    before, (down, up) = module.conv_in.weight.clone(), (value.float() for value in factors.values())
    one = fitted(read_network(written(tmp_path, factors)), {"unet": module}).parts["unet"]
    with merged(module, [(one, 1.0)]):
        assert (module.conv_in.weight - before - up @ down).abs().max() < 1e-6


def test_dyn_takes_the_first_ranks_at_the_same_scale(tmp_path: Path) -> None:
    factors = lora(nn.Linear(6, 10), 1)
    tensors = {f"{STEM}.lora_{role}.weight": value for role, value in factors.items()}
    network = shortened(read_network(written(tmp_path, tensors | {f"{STEM}.alpha": torch.tensor(2.0)})), 3)
    module = part()
    before = module.conv_in.weight.clone()
    with merged(module, [(fitted(network, {"unet": module}).parts["unet"], 1.0)]):
        added = module.conv_in.weight - before
    assert (added - factors["up"][:, :3] @ factors["down"][:3] / 2).abs().max() < 1e-6
    whole = read_network(written(tmp_path, {f"{STEM}.diff": torch.ones(10, 6)}, "whole"))
    with pytest.raises(Unsupported, match="whole is difference, and dyn cuts the rank of LoRA alone; leave it out"):
        shortened(whole, 3)


def test_hash_is_of_the_tensors_alone_or_what_the_trainer_wrote(tmp_path: Path) -> None:
    tensors = {f"{STEM}.diff": torch.ones(10, 6)}
    plain, told = written(tmp_path, tensors, "a"), written(tmp_path, tensors, "b", note="other words in the header")
    digest = hashlib.sha256(torch.ones(10, 6).numpy().tobytes()).hexdigest()
    assert read_network(plain).hash == read_network(told).hash == digest[:12]
    signed = written(tmp_path, tensors, "c", sshs_model_hash="0123456789abcdef" * 4)
    assert read_network(signed).hash == "0123456789ab"
    pickled = tmp_path / "d.pt"
    torch.save(tensors, pickled)
    network = read_network(pickled)
    assert network.hash == hashlib.sha256(pickled.read_bytes()).hexdigest()[:12]
    assert network.kinds == ("difference",) and network.name == "d"


def test_a_pickle_that_runs_code_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    evil = tmp_path / "evil.pt"
    evil.write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    with pytest.raises((Unsafe, Incomplete), match=r"evil\.pt"):
        read_network(evil)
    file = written(tmp_path, {f"{STEM}.diff": torch.ones(10, 6)})
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(Incomplete, match="truncated or damaged"):
        read_network(file)


@pytest.mark.parametrize(
    ("metadata", "family"),
    [
        ({"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}, "SDXL"),
        ({"ss_base_model_version": "sd_v1"}, "Stable Diffusion 1"),
        ({"modelspec.architecture": "flux-1-dev/lora"}, "Flux"),
        ({}, ""),
    ],
)
def test_metadata_tell_the_family(metadata: dict[str, str], family: str) -> None:
    assert made_for({"lora_unet_conv_in.lora_down.weight": (4, 6)}, metadata) == family


@pytest.mark.parametrize(
    ("key", "shape", "family"),
    [
        ("lora_unet_x_transformer_blocks_0_attn2_to_k.lora_down.weight", (8, 2048), "SDXL"),
        ("unet.x.transformer_blocks.0.attn2.to_v.lora_A.weight", (8, 1024), "Stable Diffusion 2"),
        ("lora_unet_x_transformer_blocks_0_attn2_to_k.hada_w1_b", (8, 1280), "SDXL refiner"),
        ("transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", (8, 3072), "Flux"),
        ("lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight", (8, 1536), "Stable Diffusion 3 medium"),
        ("diffusion_model.joint_blocks.0.x_block.attn.qkv.lora_A.weight", (8, 2432), "Stable Diffusion 3.5 large"),
    ],
)
def test_widths_tell_the_family(key: str, shape: tuple[int, int], family: str) -> None:
    assert made_for({key: shape}, {}) == family
