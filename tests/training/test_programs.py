"""The companions' programs go from an exported model to what they make, at toy size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file
from typer import Typer
from typer.testing import CliRunner

from easel.models.layouts.identify import identify
from easel.training import controlnet, fewstep, image_prompt, inpainting, motion, tiny, upscaler
from easel.training.companions import control, distillation, enlarging, likeness, moving, repainting, tinier
from easel.training.learning import checkpoint


def ran(main: Callable[..., None], model: Path, out: Path, *small: str) -> str:
    """Return what a program says that ran for an instant."""
    program = Typer()
    program.command()(main)
    where = ["--model", str(model), "--out", str(out), "--device", "cpu", "--subjects", "6", "--minutes", "0.01"]
    result = CliRunner().invoke(program, [*small, *where])
    assert result.exit_code == 0, result.output
    assert checkpoint.load(out / "state.safetensors")[1]["step"] >= 1
    assert (out / "sheet.png").stat().st_size > 1000
    return result.output


JUDGED = ("--pictures", "2", "--batch", "2", "--judged", "2", "--steps", "2")


def test_a_controlnet(exported: Path, tmp_path: Path) -> None:
    assert "edge agreement without" in ran(controlnet.main, exported, tmp_path, *JUDGED)
    assert (tmp_path / control.FOLDER / "diffusion_pytorch_model.safetensors").is_file()


def test_a_picture_prompt(exported: Path, tmp_path: Path) -> None:
    assert "of the others" in ran(image_prompt.main, exported, tmp_path, *JUDGED)
    assert "image_proj.proj.weight" in load_file(tmp_path / likeness.FILE)


def test_an_upscaler(exported: Path, tmp_path: Path) -> None:
    ran(upscaler.main, exported, tmp_path, "--features", "8", "--convolutions", "1", "--pictures", "2", "--batch", "2")
    assert set(load_file(tmp_path / enlarging.FILE)) >= {"body.0.weight", "body.1.weight", "body.4.bias"}


def test_a_lora_of_four_steps(exported: Path, tmp_path: Path) -> None:
    ran(fewstep.main, exported, tmp_path, "--pictures", "4", "--batch", "2", "--rank", "2")
    file = tmp_path / distillation.FILE
    assert identify(file).words.startswith("LoRA")
    with safe_open(file, "pt") as opened:
        use = opened.metadata()["modelspec.usage_hint"]
    assert use == "sampler Euler, schedule SGM Uniform, 4 steps, guidance scale 1"


def test_a_tiny_autoencoder(exported: Path, tmp_path: Path) -> None:
    small = ("--pictures", "4", "--batch", "2", "--judged", "2", "--width", "8")
    assert "times as fast" in ran(tiny.main, exported, tmp_path, *small)
    assert identify(tmp_path / tinier.FILE).words == "vae, 4 channels, tiny"


def test_an_inpainting_unet(exported: Path, tmp_path: Path) -> None:
    said = ran(inpainting.main, exported, tmp_path, *JUDGED)
    assert "the base model paints to" in said and ": paints to" in said
    found = identify(tmp_path / repainting.FOLDER)
    assert (found.kind, found.family, found.inpaints) == ("denoiser", "sd", True)


def test_a_motion_module(exported: Path, tmp_path: Path) -> None:
    small = ("--clips", "2", "--batch", "2", "--frames", "3", "--judged", "2", "--steps", "2")
    said = ran(motion.main, exported, tmp_path, *small, "--only", "slide-left", "--only", "spin")
    assert "frame by frame: " in said and "step " in said and "move smoothly" in said
    file = tmp_path / moving.FILE
    assert identify(file).kind == "motion_module"
    taught = checkpoint.load(tmp_path / "state.safetensors")[1]["step"]
    before = load_file(file)
    ran(motion.main, exported, tmp_path, *small, "--only", "slide-left", "--only", "spin")
    assert checkpoint.load(tmp_path / "state.safetensors")[1]["step"] == taught  # its minutes were spent
    assert all(bool((tensor == before[name]).all()) for name, tensor in load_file(file).items())


@pytest.mark.parametrize("program", [controlnet, image_prompt, upscaler, fewstep, tiny, inpainting, motion])
def test_each_says_what_it_is_for(program: object) -> None:
    main = Typer()
    main.command()(program.main)  # pyright: ignore[reportAttributeAccessIssue]
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0 and "--model" in result.output
