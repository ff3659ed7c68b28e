"""Frames of a clip see each other and nobody else, as diffusers' own U-Net with motion modules has it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from easel.adapters.motion.coupling import MotionModule, clips_in, seen_by
from easel.adapters.motion.loading import load_motion
from easel.adapters.motion.windows import shares_of, windows_of
from easel.core.errors import Mismatch
from easel.core.settings import read_settings
from easel.core.work import Act, Rows
from easel.engine.smaller import part
from easel.models.accelerate import Machine
from easel.models.family import Model, load
from easel.models.gpu.look import Look
from easel.models.layouts.identify import identify
from easel.models.memory.moving import size_of, tensors_of
from easel.models.memory.residency import Residency
from tests.adapters.control.making import evaluated, rows_of
from tests.adapters.motion.making import FRAMES, clip, moving, tiny_net, write_motion
from tests.counting import CountingDevice, Watch, homes_of
from tests.tiny_families import write_tiny_sd3

CLOSE: dict[str, float] = {"atol": 1e-4, "rtol": 1e-4}


@pytest.fixture(scope="module")
def motion(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> MotionModule:
    """A motion module for the tiny model."""
    return moving(tmp_path_factory.mktemp("motion") / "tiny", tiny)


def led(rows: Rows, *acts: tuple[Act, ...]) -> Rows:
    """Rows with their acts."""
    return replace(rows, acts=acts)


@torch.inference_mode()
@pytest.mark.parametrize("mid", [True, False])
def test_it_is_what_diffusers_joins_of_both(tiny: Model, tmp_path: Path, mid: bool) -> None:
    from diffusers import UNetMotionModel

    net = tiny_net(mid=mid)
    adapter = load_motion(write_motion(tmp_path / "motion", net), tiny.machine)
    unet: Any = tiny.parts["unet"]
    joined: Any = UNetMotionModel.from_unet2d(unet, net).eval()
    rows = rows_of(tiny, 2 * 4)  # two clips of four frames
    times = torch.full((8,), 300.0)
    acts = [act for each in (clip(adapter, tiny, 4), clip(adapter, tiny, 4)) for (act,) in each]
    x = rows.x.float()
    with adapter.acting(tiny, rows, acts):
        ours = unet(x, times, rows.context, return_dict=False)[0]
    video = x.unflatten(0, (2, 4)).transpose(1, 2)  # (clips, channels, frames, height, width)
    theirs = joined(video, times[:2], rows.context, return_dict=False)[0].transpose(1, 2).flatten(0, 1)
    apart = unet(x, times, rows.context, return_dict=False)[0]
    assert float((ours - theirs).abs().max()) < 1e-4
    assert float((ours - apart).abs().max()) > 1e-2


def test_clips_and_pictures_in_one_forward_equal_each_alone(tiny: Model, motion: MotionModule) -> None:
    """Frames may come in any order among rows of other clips, of other strengths and of none."""
    first, second = clip(motion, tiny, 3), clip(motion, tiny, 2, 0.4)
    rows = rows_of(tiny, 6)
    mixed = led(rows, first[0], second[1], (), first[2], second[0], first[1])
    together = evaluated(tiny, mixed)
    for places in ((0, 5, 3), (4, 1), (2,)):
        alone = evaluated(tiny, some(mixed, places))
        torch.testing.assert_close(together[list(places)], alone, **CLOSE)
    torch.testing.assert_close(together[2], evaluated(tiny, rows)[2], **CLOSE)
    assert (together[0] - evaluated(tiny, rows)[0]).abs().max() > 1e-3


def some(rows: Rows, places: tuple[int, ...]) -> Rows:
    """Some rows of a batch, in another order."""
    which = list(places)
    return Rows(rows.x[which], rows.sigma[which], rows.context[which], acts=tuple(rows.acts[row] for row in which))


def test_a_frame_depends_on_the_others_of_its_clip(tiny: Model, motion: MotionModule) -> None:
    rows = led(rows_of(tiny, 3), *clip(motion, tiny, 3))
    other = replace(rows, x=torch.cat([rows.x[:2], rows.x[2:] + 1]))
    assert (evaluated(tiny, rows)[0] - evaluated(tiny, other)[0]).abs().max() > 1e-4


def test_parts_joined_by_and_are_clips_of_their_own(tiny: Model, motion: MotionModule) -> None:
    """Rows picture by picture, each with two prompts, as guidance lays them."""
    acts = clip(motion, tiny, 2)
    rows = led(rows_of(tiny, 4), acts[0], acts[0], acts[1], acts[1])
    together = evaluated(tiny, rows)
    for places in ((0, 2), (1, 3)):
        alone = replace(some(rows, places), acts=clip(motion, tiny, 2))
        torch.testing.assert_close(together[list(places)], evaluated(tiny, alone), **CLOSE)


def test_layers_that_give_nothing_change_nothing(tiny: Model, tmp_path: Path) -> None:
    net = tiny_net()
    for name, value in net.named_parameters():
        if ".proj_out." in name:
            value.zero_()
    adapter = load_motion(write_motion(tmp_path / "still", net), tiny.machine)
    rows = rows_of(tiny, 3)
    assert torch.equal(evaluated(tiny, led(rows, *clip(adapter, tiny, 3))), evaluated(tiny, rows))


def test_strength_goes_from_apart_to_beyond(tiny: Model, motion: MotionModule) -> None:
    rows = rows_of(tiny, 3)
    apart = evaluated(tiny, rows)
    far = [float((coupled(tiny, motion, rows, strength) - apart).abs().mean()) for strength in (1e-6, 0.5, 1.0, 2.0)]
    assert far == sorted(far)
    assert far[0] < 1e-4 < far[1]


def coupled(model: Model, motion: MotionModule, rows: Rows, strength: float) -> Tensor:
    """What a model makes of rows that are one clip."""
    return evaluated(model, led(rows, *clip(motion, model, len(rows), strength)))


def test_what_was_compiled_or_recorded_never_runs_meanwhile(tiny: Model, motion: MotionModule) -> None:
    look = Look(tiny.parts["unet"])
    acts = [act for (act,) in clip(motion, tiny, 2)]
    assert look.bare
    with motion.acting(tiny, rows_of(tiny, 2), acts):
        assert not look.bare
    assert look.bare


@pytest.mark.parametrize("megabytes", [64, 1.5])
def test_it_comes_to_the_device_with_the_unet(tiny_folder: Path, tiny: Model, tmp_path: Path, megabytes: float) -> None:
    """Whole where both have room, block by block where they have not."""
    plain = moving(tmp_path / "motion", tiny)
    rows = rows_of(tiny, 3)
    expected = coupled(tiny, plain, rows, 1.0)
    device = CountingDevice(int(megabytes * 2**20))
    machine = Machine("cpu", torch.float32, torch.float32, Residency(device, device.capacity))
    model = load(identify(tiny_folder), read_settings(), machine=machine)
    adapter = load_motion(tmp_path / "motion", machine)
    whole = size_of(tensors_of(model.parts["unet"])) + size_of(tensors_of(adapter.net))
    assert (whole < device.capacity) == (megabytes > 2), f"{whole / 2**20:.2f} MiB are needed"
    with Watch(homes_of(model.parts["unet"], adapter.net)):
        torch.testing.assert_close(coupled(model, adapter, rows, 1.0), expected, **CLOSE)


def test_a_clip_without_all_its_frames_is_never_drawn(tiny: Model, motion: MotionModule) -> None:
    acts = [act for (act,) in clip(motion, tiny, 3)]
    with pytest.raises(ValueError, match="2 of a clip's 3 frames"):
        clips_in(acts[:2])
    with pytest.raises(ValueError, match="1 of a clip's 3 frames"):
        evaluated(tiny, part(led(rows_of(tiny, 3), *((act,) for act in acts)), 0, 1))


@torch.inference_mode()
def test_a_longer_clip_is_seen_in_windows_that_melt(tiny: Model, motion: MotionModule) -> None:
    layer = motion.net.down_blocks[0].motion_modules[0]
    frames = torch.randn(FRAMES + 2, 32, 8, 8, generator=torch.Generator().manual_seed(0))
    seen = seen_by(layer, frames, FRAMES)
    first, last = (layer(part, num_frames=FRAMES) for part in (frames[:FRAMES], frames[-FRAMES:]))
    torch.testing.assert_close(seen[:2], first[:2], **CLOSE)
    torch.testing.assert_close(seen[-2:], last[-2:], **CLOSE)
    torch.testing.assert_close(seen[2], first[2] * 3 / 4 + last[0] / 4, **CLOSE)
    assert torch.equal(seen_by(layer, frames[:FRAMES], FRAMES), first)
    assert evaluated(tiny, led(rows_of(tiny, 8), *clip(motion, tiny, 8))).isfinite().all()


@given(st.integers(1, 200), st.integers(1, 40))
def test_windows_hold_every_frame_and_their_shares_are_whole(count: int, longest: int) -> None:
    windows = windows_of(count, longest)
    taken = [0.0] * count
    for window, shares in zip(windows, shares_of(windows), strict=True):
        assert len(window) == len(shares) == min(count, longest)
        for frame, share in zip(window, shares, strict=True):
            taken[frame] += share
    assert taken == pytest.approx([1.0] * count)
    overlaps = [one.stop - other.start for one, other in pairwise(windows)]
    assert all(overlap >= longest // 2 for overlap in overlaps)


def test_what_does_not_fit_is_told_in_one_line(tiny: Model, tmp_path: Path) -> None:
    for changed, why in (
        ({"channels": (32, 64, 64)}, "3 levels, and the model 2"),
        ({"channels": (64, 64)}, "64 channels where the model has 32"),
    ):
        with pytest.raises(Mismatch, match=why):
            moving(tmp_path / why[0], tiny, **changed).frames(tiny, 2)


@pytest.mark.filterwarnings("ignore:`FluxPosEmbed`:FutureWarning")
def test_a_model_without_a_unet_has_no_place_for_it(motion: MotionModule, tmp_path: Path) -> None:
    three = load(identify(write_tiny_sd3(tmp_path / "three", t5=False)), read_settings(precision="float32"))
    with pytest.raises(Mismatch, match="it is for a U-Net, and this model has none"):
        motion.frames(three, 2)
