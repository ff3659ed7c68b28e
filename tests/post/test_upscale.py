"""Learned upscalers from files of every kind: the same as their authors' modules, nothing run, faults told by name."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy
import pytest
import torch

from easel.core.errors import Mismatch, ModelError, ResourceError, Unrecognised, Unsafe
from easel.models.accelerate import Machine
from easel.post import architectures
from easel.post.upscale import dtype_on, load_upscaler
from tests.post.upscalerfiles import ESRGAN, SWINIR, compact, spandrel_made, write

CPU = Machine("cpu", torch.float32, torch.float32)
PIXELS = numpy.random.default_rng(0).integers(0, 256, (12, 20, 3), numpy.uint8)
SEEN = torch.as_tensor(PIXELS).permute(2, 0, 1)[None].float() / 255


@torch.inference_mode()
def by(module: torch.nn.Module) -> numpy.ndarray:
    """Return what a module makes of the pixels, clipped."""
    return module(SEEN).clamp(0, 1)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize(("scale", "middle"), [(4, 2), (2, 1), (1, 3)])
def test_the_compact_build_is_spandrels(scale: int, middle: int, tmp_path: Path) -> None:
    theirs = spandrel_made("Compact", num_feat=8, num_conv=middle, upscale=scale)
    file = write(tmp_path / "x.safetensors", theirs.state_dict())
    found = load_upscaler(file, CPU)
    assert (found.words, found.scale, found.channels) == ("Compact", scale, 3)
    assert found.made_of(PIXELS).shape == (12 * scale, 20 * scale, 3)
    assert numpy.allclose(found.made_of(PIXELS), by(theirs), atol=1e-6)


@pytest.mark.parametrize(
    ("build", "options", "scale"),
    [
        ("ESRGAN", ESRGAN, 4),
        ("SwinIR", SWINIR, 2),
        ("SCUNet", {"dim": 64, "config": [1] * 7}, 1),
        ("DAT", {"img_size": 16, "embed_dim": 32, "depth": [2], "num_heads": [2]}, 2),
    ],
)
def test_other_builds_are_read_by_their_tensors(
    build: str, options: dict[str, object], scale: int, tmp_path: Path
) -> None:
    theirs = spandrel_made(build, **options)
    found = load_upscaler(write(tmp_path / "x.safetensors", theirs.state_dict()), CPU)
    made = found.made_of(PIXELS)
    assert found.scale == scale
    assert made.shape == (12 * scale, 20 * scale, 3)
    if build == "ESRGAN":  # the others are given a padded picture
        assert numpy.allclose(made, by(theirs), atol=1e-5)


def test_a_pickle_gives_the_same_without_being_run(tmp_path: Path) -> None:
    theirs = spandrel_made("ESRGAN", **ESRGAN)
    plain = load_upscaler(write(tmp_path / "x.safetensors", theirs.state_dict()), CPU).made_of(PIXELS)
    for wrapped in ("", "params_ema", "params", "state_dict"):
        found = load_upscaler(write(tmp_path / f"x{wrapped}.pth", theirs.state_dict(), wrapped), CPU)
        assert numpy.array_equal(found.made_of(PIXELS), plain)

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("run",)

    (tmp_path / "trap.pth").write_bytes(pickle.dumps({"body.0.weight": Trap()}))
    with pytest.raises(Unsafe, match=r"trap\.pth.*print"):
        load_upscaler(tmp_path / "trap.pth", CPU)


def test_the_averaged_weights_are_taken_where_there_are_both(tmp_path: Path) -> None:
    first, second = compact(seed=1), compact(seed=2)
    torch.save({"params": first.state_dict(), "params_ema": second.state_dict()}, tmp_path / "x.pth")
    assert numpy.allclose(load_upscaler(tmp_path / "x.pth", CPU).made_of(PIXELS), by(second), atol=1e-6)


def test_halves_in_a_file_are_worked_with_in_full_numbers(tmp_path: Path) -> None:
    halves = {name: one.half() for name, one in compact().state_dict().items()}
    found = load_upscaler(write(tmp_path / "x.safetensors", halves), CPU)
    assert next(found.module.parameters()).dtype == torch.float32
    assert numpy.allclose(found.made_of(PIXELS), by(compact()), atol=2e-3)


def test_pictures_are_never_worked_on_in_bfloat16() -> None:
    card = Machine("cuda", torch.bfloat16, torch.bfloat16)
    assert dtype_on(card, half=True) == torch.float16
    assert dtype_on(card, half=False) == torch.float32
    assert dtype_on(Machine("cuda", torch.float32, torch.float32), half=True) == torch.float32


def test_files_that_are_no_upscalers_are_refused_in_one_line(tmp_path: Path) -> None:
    weights = compact().state_dict()
    cases = {
        "cut.safetensors": (
            {name: one for name, one in weights.items() if name != "body.2.bias"},
            ModelError,
            "body.2",
        ),
        "odd.safetensors": ({**weights, "body.6.weight": torch.zeros(5, 8, 3, 3)}, Mismatch, "gives 5 channels for 3"),
        "other.safetensors": ({"linear.weight": torch.zeros(2, 2)}, Unrecognised, "no network that spandrel knows"),
    }
    for name, (tensors, kind, words) in cases.items():
        with pytest.raises(kind, match=rf"{name}.*{words}") as raised:
            load_upscaler(write(tmp_path / name, tensors), CPU)
        assert "\n" not in str(raised.value)


def test_a_network_that_gives_no_numbers_is_told_of(tmp_path: Path) -> None:
    broken = {name: one * float("nan") for name, one in compact().state_dict().items()}
    with pytest.raises(ModelError, match="no numbers"):
        load_upscaler(write(tmp_path / "x.safetensors", broken), CPU).made_of(PIXELS)


def test_without_spandrel_the_compact_build_works_and_others_say_what_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = spandrel_made("ESRGAN", **ESRGAN)
    monkeypatch.setitem(architectures.sys.modules, "spandrel", None)
    load_upscaler(write(tmp_path / "own.safetensors", compact().state_dict()), CPU)
    with pytest.raises(ResourceError, match=r"enlarging by theirs\.pth needs the package spandrel; `pip install"):
        load_upscaler(write(tmp_path / "theirs.pth", theirs.state_dict()), CPU)


def test_what_stands_in_for_torchvision_leaves_nothing_behind() -> None:
    before = set(architectures.sys.modules)
    with architectures.torchvision_or_stand_in():
        from torchvision.transforms.functional import normalize  # type: ignore[import-not-found]
    assert {name for name in architectures.sys.modules if "torchvision" in name} <= before
    found = normalize(SEEN, [0.5, 0.25, 0.5], [0.5, 0.5, 2.0])
    assert torch.allclose(found[0, 1], (SEEN[0, 1] - 0.25) * 2)
    assert torch.allclose(found[0, 2], (SEEN[0, 2] - 0.5) / 2)
