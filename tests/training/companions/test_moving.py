"""The motion module at toy size: changes nothing at first, learns what only time tells, resumes, is AnimateDiff's."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import MotionAdapter, UNet2DConditionModel, UNetMotionModel
from safetensors.torch import save_file

from easel.core.errors import BadValue
from easel.models.files.listing import Listing, Stored
from easel.models.layouts.motion import motion_config
from easel.training.companions import moving
from easel.training.embedded.recipe import toy
from easel.training.learning.loop import Losses, Plan, train
from easel.training.networks.export import load
from easel.training.networks.unet import BaseConfig, make_unet
from easel.training.world.moving import KINDS, Motion, film
from easel.training.world.source import Source

WIDTH, SIDE, ROWS, FRAMES = 32, 4, 6, 4
CONFIG = moving.MotionConfig(frames=FRAMES, table=6, batch=4)
BLOCK = "temporal_transformer.transformer_blocks.0"


def tiny_unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return make_unet(toy().base, WIDTH, SIDE).requires_grad_(False).eval()


def module() -> tuple[MotionAdapter, UNetMotionModel]:
    unet = tiny_unet()
    adapter = moving.make_adapter(unet, CONFIG)
    return adapter, moving.worn(unet, adapter)


def heard(adapter: MotionAdapter) -> None:
    """Opens its ways out, which are zeros at first."""
    torch.manual_seed(3)
    for name, layer in adapter.named_modules():
        if name.endswith(".proj_out"):
            assert isinstance(layer, torch.nn.Linear)
            torch.nn.init.normal_(layer.weight, std=0.2)


def rows() -> moving.Rows:
    """Plain latents that grow brighter from frame to frame: what only the frames' order tells."""
    bright = torch.linspace(-1.5, 1.5, FRAMES)[None, :, None, None, None]
    return {
        "latents": bright.expand(ROWS, -1, 4, SIDE, SIDE).half(),
        "contexts": torch.zeros(ROWS, 77, WIDTH).half(),
    }


def losses_of(worn: UNetMotionModel) -> Callable[[int], Losses]:
    return moving.make_losses(worn, rows(), torch.zeros(1, 77, WIDTH), CONFIG)


@torch.no_grad()
def total(worn: UNetMotionModel) -> float:
    losses = losses_of(worn)
    return sum(float(losses(step)["loss"]) for step in range(1000, 1004))


@torch.no_grad()
def test_a_new_module_changes_nothing_and_one_that_speaks_joins_the_frames() -> None:
    unet = tiny_unet()
    adapter = moving.make_adapter(unet, CONFIG)
    worn = moving.worn(unet, adapter)
    rng = torch.Generator().manual_seed(2)
    x, context = torch.randn(2, FRAMES, 4, SIDE, SIDE, generator=rng), torch.randn(2, 77, WIDTH, generator=rng)
    t = torch.tensor([900, 100])
    plain = torch.stack([unet(x[:, frame], t, context).sample for frame in range(FRAMES)], 1)
    torch.testing.assert_close(moving.led(worn, context)(x, t), plain, atol=1e-5, rtol=0)
    heard(adapter)
    joined = moving.led(worn, context)(x, t)
    assert not torch.allclose(joined, plain, atol=1e-2)
    x[:, 0] += 1  # another first frame is seen by the last
    assert not torch.allclose(moving.led(worn, context)(x, t)[:, -1], joined[:, -1], atol=1e-4)


def test_it_learns_what_only_time_tells_and_the_unet_stays(tmp_path: Path) -> None:
    adapter, worn = module()
    before = {name: value.clone() for name, value in worn.state_dict().items() if "motion_modules" not in name}
    first = total(worn)
    train(adapter, losses_of(worn), Plan(steps=24, warmup=3, learning_rate=1e-2, average=0.8), tmp_path)
    assert total(worn) < 0.87 * first
    assert before and all(torch.equal(worn.state_dict()[name], value) for name, value in before.items())


def test_a_resumed_run_equals_a_straight_one_bit_for_bit(tmp_path: Path) -> None:
    plan = Plan(steps=4, warmup=2, learning_rate=1e-3, muon=True)
    results = []
    for name, stops in (("straight", (None,)), ("resumed", (2, None))):
        adapter, worn = module()
        for stop in stops:
            adapter, worn = module()
            train(adapter, losses_of(worn), plan, tmp_path / name, stop_at=stop)
        results.append(adapter.state_dict())
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())
    assert bool(results[0]["mid_block.motion_modules.0.proj_out.weight"].any())


def test_the_file_has_published_names_and_diffusers_reads_it(tmp_path: Path) -> None:
    adapter, _ = module()
    heard(adapter)
    tensors, file = moving.published(adapter), tmp_path / "module.safetensors"
    outer = {f"down_blocks.{n}.motion_modules.0" for n in (0, 1)} | {"mid_block.motion_modules.0"}
    outer |= {f"up_blocks.{n}.motion_modules.{j}" for n in (0, 1) for j in (0, 1)}
    assert {name.split(".temporal_transformer.")[0] for name in tensors} == outer
    looks = ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight", "to_out.0.bias", "pos_encoder.pe")
    attention = {f"attention_blocks.{n}.{end}" for n in (0, 1) for end in looks}
    ends = {"norms.0", "norms.1", "ff_norm", "ff.net.0.proj", "ff.net.2"}
    inner = attention | {f"{end}.{kind}" for end in ends for kind in ("weight", "bias")}
    start = f"mid_block.motion_modules.0.{BLOCK}."
    assert {name.removeprefix(start) for name in tensors if name.startswith(start)} == inner
    assert tensors[f"down_blocks.0.motion_modules.0.{BLOCK}.attention_blocks.1.pos_encoder.pe"].shape == (1, 6, 16)
    assert all(tensor.dtype == torch.float16 for tensor in tensors.values())
    save_file(tensors, file)
    adapter.save_config(tmp_path)
    read = MotionAdapter.from_single_file(str(file), config=str(tmp_path), low_cpu_mem_usage=False)
    own = adapter.state_dict()
    assert set(read.state_dict()) == set(own)
    assert all(torch.allclose(value, own[name], atol=2e-3) for name, value in read.state_dict().items())


def test_a_module_begins_from_a_file_of_its_own_build_alone(tmp_path: Path) -> None:
    adapter, _ = module()
    heard(adapter)
    other, _ = module()
    moving.take_published(other, moving.published(adapter))
    own = adapter.state_dict()
    assert all(torch.allclose(value, own[name], atol=2e-3) for name, value in other.state_dict().items())
    shorter = moving.make_adapter(tiny_unet(), moving.MotionConfig(frames=2, table=4))
    with pytest.raises(BadValue, match="motion module"):
        moving.take_published(shorter, moving.published(adapter))


@pytest.mark.parametrize(("channels", "layers"), [((16, 32), (1, 1)), ((96, 192), (1, 0)), ((64, 96, 192), (1, 1, 0))])
def test_layers_are_left_out_from_inside_until_the_file_is_small_enough(
    channels: tuple[int, ...], layers: tuple[int, ...]
) -> None:
    attention = tuple(level > 0 for level in range(len(channels)))
    base = BaseConfig(channels=channels, heads=(2,) * len(channels), attention=attention, groups=16)
    adapter = moving.make_adapter(make_unet(base, WIDTH, SIDE), moving.MotionConfig())
    assert tuple(adapter.config["motion_transformer_layers_per_block"]) == layers
    tensors = moving.published(adapter)
    modules = [(c, n) for c, n in zip(channels, layers, strict=True) for _ in range(3)] + [(channels[-1], 1)]
    assert sum(tensor.numel() for tensor in tensors.values()) == sum(moving.numbers_of(c, n, 16) for c, n in modules)
    assert sum(tensor.nbytes for tensor in tensors.values()) < 3_960_000
    stored = {name: Stored("F16", tuple(tensor.shape), 0, 0) for name, tensor in tensors.items()}
    read = motion_config(Listing(Path(moving.FILE), stored), {"motion_norm_num_groups": 16})
    assert read.pop("motion_layers_per_block") == (1,) * len(channels)
    assert {name: adapter.config[name] for name in read} == read


def test_rows_are_clips_and_are_kept(exported: Path, source: Source, tmp_path: Path) -> None:
    tokenizer, towers, autoencoder, _ = load(exported)
    config = moving.MotionConfig(frames=3, clips=2, kinds=("slide-left", "spin"))
    made = moving.make_rows(towers, tokenizer, autoencoder, source, config, tmp_path)
    assert made["latents"].shape == (2, 3, 4, 16, 16) and made["contexts"].shape == (2, 77, 32)
    (path,) = tmp_path.iterdir()
    assert path.name == "clips-slide-left+spin-3-000000-2.safetensors"
    stamp = path.stat().st_mtime_ns
    again = moving.make_rows(towers, tokenizer, autoencoder, source, config, tmp_path)
    assert path.stat().st_mtime_ns == stamp and all(torch.equal(again[name], made[name]) for name in made)


def test_unseen_clips_have_each_motion_in_turn_and_painted_ones_obey(source: Source) -> None:
    clips = moving.unseen_clips(source, moving.MotionConfig(judged=16))
    assert [clip.motion.kind for clip in clips] == [*KINDS, *KINDS[:2]]
    assert all(len(clip.scene.things) == 1 and not clip.scene.style for clip in clips)
    assert {clip.told for clip in clips} == {False, True}
    motions, pictures = [clip.motion for clip in clips], film(source, clips, 8)
    painted = moving.judged(pictures, motions)
    assert "14 of 14 as told" in painted
    (share,) = re.findall(r"(\d+)% move smoothly", painted)
    assert 80 <= int(share) < 100  # what bounces is not smooth, and a round thing that spins stays as it is
    backwards = pictures.flip(1)
    assert " 0 of 14 as told" in moving.judged(backwards, motions)
    still = moving.judged(pictures[:, :1].expand(-1, 8, -1, -1, -1), motions)
    assert still == "0.0000 between frames, 100% smooth, 0% move smoothly, 0 of 14 as told"
    assert "as told" not in moving.judged(backwards, [Motion("spin", 1.0)] * 16)


@pytest.mark.parametrize("wrong", [{"frames": 17}, {"frames": 1}, {"kinds": ("fly",)}])
def test_what_cannot_be_practised_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadValue):
        moving.MotionConfig(**wrong)  # pyright: ignore[reportArgumentType]
