"""The embedded model's program from glyphs to figures at toy size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer import Typer
from typer.testing import CliRunner

from easel.core.settings import read_settings
from easel.models.family import load as load_model
from easel.models.layouts.identify import identify
from easel.training.embedded.recipe import STAGES
from easel.training.learning.checkpoint import load
from easel.training.starter import main
from easel.training.world.subjects import Subject


def run(*arguments: str) -> str:
    program = Typer()
    program.command()(main)
    result = CliRunner().invoke(program, ["--recipe", "toy", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def made(every_subject: tuple[Subject, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("embedded")
    run("--out", str(out))
    return out


def test_every_stage_leaves_its_mark(made: Path) -> None:
    for name in ("data.png", "evaluation.png", "base/sheet.png", "autoencoder/sheet.png", "clip/losses.csv"):
        assert (made / name).stat().st_size > 0
    for stage in STAGES:
        assert load(made / stage / "state.safetensors")[1]["step"] == 2
    report = json.loads((made / "evaluation.json").read_text())
    assert report["painted"]["background_said"] == 1.0 == report["painted"]["glyph_top1"]
    assert report["drawn"]["frechet"] > 0


def test_once_it_has_settled_everything_in_a_grown_model_learns(made: Path) -> None:
    settled, trained = (load(made / stage / "state.safetensors")[0]["weights"] for stage in ("settling", "base"))
    assert not [name for name, value in settled.items() if torch.equal(value, trained[name])]


def test_the_export_is_a_model_that_draws(made: Path) -> None:
    model = load_model(identify(made / "model"), read_settings(outputs=made))
    assert (model.defaults.width, model.defaults.height) == (64, 64)
    weights = load_file(made / "model" / "unet" / "diffusion_pytorch_model.safetensors")
    assert weights["conv_in.weight"].dtype == torch.float8_e4m3fn
    assert weights["conv_in.bias"].dtype == torch.float16
    assert max(path.stat().st_size for path in (made / "model").rglob("*") if path.is_file()) < 16_000_000


def test_a_stage_goes_on_where_it_ended(made: Path) -> None:
    before = load(made / "clip" / "state.safetensors")[0]["weights"]
    run("--out", str(made), "--stage", "clip")
    after = load(made / "clip" / "state.safetensors")[0]["weights"]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_stage_without_what_it_needs_names_the_other(every_subject: tuple[Subject, ...], tmp_path: Path) -> None:
    program = Typer()
    program.command()(main)
    result = CliRunner().invoke(program, ["--recipe", "toy", "--stage", "base", "--out", str(tmp_path)])
    assert isinstance(result.exception, FileNotFoundError)
    assert "run --stage clip first" in str(result.exception)
