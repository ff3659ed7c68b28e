"""The starter's program from fonts to figures at toy size, and what it exports as diffusers and transformers see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer import Typer
from typer.testing import CliRunner

from easel.training import export as exporting
from easel.training.clip import picture_features, text_features
from easel.training.starter import Stage, main
from easel.training.subjects import Subject


@pytest.fixture(scope="module")
def made(all_subjects: tuple[Subject, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("starter")
    program = Typer()
    program.command()(main)
    result = CliRunner().invoke(program, ["--tiny", "--stage", "all", "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out


def test_every_stage_leaves_its_mark(made: Path) -> None:
    for name in ("data.png", "evaluation.png", "base/sheet.png", "autoencoder/losses.png", "clip/losses.csv"):
        assert (made / name).stat().st_size > 0
    report = json.loads((made / "evaluation.json").read_text())
    assert set(report) == {"autoencoder", "drawn", "painted", "settings"}
    assert report["painted"]["background_said"] == 1.0 == report["painted"]["glyph_top1"]


def test_the_export_is_a_diffusers_folder(made: Path) -> None:
    folder = made / "model"
    index = json.loads((folder / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"
    for name in ("text_encoder", "image_encoder", "tokenizer", "unet", "vae", "scheduler", "feature_extractor"):
        assert (folder / name).is_dir() and name in index
    assert max(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 16_000_000
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    assert scheduler["prediction_type"] == "v_prediction" and scheduler["beta_end"] == 0.025
    text = json.loads((folder / "text_encoder" / "config.json").read_text())
    assert text["eos_token_id"] == text["vocab_size"] - 1


def test_the_exported_parts_work_together(made: Path) -> None:
    tokenizer, towers, autoencoder, unet = exporting.load(made / "model")
    context = towers.text(tokenizer(["여우"], padding="max_length", return_tensors="pt")["input_ids"]).last_hidden_state
    assert context.shape[1] == 77
    with torch.no_grad():
        latent = unet(torch.zeros(1, 4, 16, 16), torch.tensor([5]), context).sample
        picture = autoencoder.decode(latent / autoencoder.config.scaling_factor).sample
    assert picture.shape == (1, 3, 128, 128)
    seen, said = picture_features(towers, picture), text_features(towers, tokenizer, ["a fox"])
    assert seen.shape == said.shape and abs(float(seen.norm()) - 1) < 1e-4


def test_stages_have_names() -> None:
    assert [stage.value for stage in Stage][-1] == "all"
