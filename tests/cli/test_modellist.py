"""`easel models list`: every kind, by what headers say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import Easel
from tests.ldm import SMALL_1, random_tensors, write_ldm


@pytest.fixture
def models(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a checkpoint, one without its VAE, a VAE, a LoRA, an embedding and a damaged file."""
    monkeypatch.setattr("easel.models.library.names.STARTER", home / "no starter")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    folder = home / "models"
    tensors = random_tensors(SMALL_1)
    vae = {key: one for key, one in tensors.items() if key.startswith("first_stage_model.")}
    for name in ("loras", "vae", "embeddings"):
        (folder / name).mkdir(parents=True)
    write_ldm(folder / "whole.safetensors", tensors)
    write_ldm(folder / "blind.safetensors", {key: one for key, one in tensors.items() if key not in vae})
    write_ldm(folder / "vae" / "soft.safetensors", {key.removeprefix("first_stage_model."): vae[key] for key in vae})
    write_ldm(folder / "loras" / "ink.safetensors", {"lora_unet_a.alpha": torch.zeros(1)})
    write_ldm(folder / "embeddings" / "hands.safetensors", {"emb_params": torch.zeros(2, 768)})
    (folder / "loras" / "cut.safetensors").write_bytes(b"x")
    return folder


def test_everything_is_listed_by_kind(easel: Easel, models: Path) -> None:
    shown = easel("models", "list")
    assert shown.code == 0
    assert [line.split()[0] for line in shown.lines] == ["name", "blind", "whole", "soft", "ink", "hands"]
    assert "sd 1.x, without autoencoder (VAE)" in shown.lines[1] and "vae, 4 channels" in shown.lines[3]
    assert shown.err.startswith("error: models/loras/cut.safetensors: truncated or damaged")


def test_kinds_and_families_are_chosen(easel: Easel, models: Path) -> None:
    facts = [json.loads(line) for line in easel("models", "list", "--kind", "vae", "--json").lines]
    assert [(one["name"], one["kind"], one["fits"]) for one in facts] == [("soft", "vae", ["sd", "sdxl"])]
    facts = [json.loads(line) for line in easel("models", "list", "--family", "sdxl", "--json").lines]
    assert [one["name"] for one in facts] == ["soft"]
    assert "put one into" in (none := easel("models", "list", "--kind", "upscaler")).err
    assert none.code == 1 and str(models / "upscalers") in none.err
    assert "nearest 'lora'" in easel("models", "list", "--kind", "loar").err
    assert easel("models", "list", "--family", "sd15").code == 2


def test_what_there_is_no_time_for_is_listed_unread(
    easel: Easel, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("easel.cli.modellist.PATIENCE", 1e-9)
    shown = easel("models", "list")
    assert shown.code == 0 and "6 files are not read yet" in shown.err
    assert "LoRA, not read yet" in shown.out and len(shown.lines) == 7
    facts = [json.loads(line) for line in easel("models", "list", "--json").lines]
    assert {one["read"] for one in facts} == {False}
    assert "not read" not in (whole := easel("models", "list", "--wait")).out and whole.code == 0
    assert "not read" not in easel("models", "list").out


def test_info_of_a_lora_tells_its_kind(easel: Easel, models: Path) -> None:
    (models / "loras" / "ink.json").write_text('{"activation text": "inky"}', encoding="utf-8")
    (models / "loras" / "whole.safetensors").write_bytes((models / "loras" / "ink.safetensors").read_bytes())
    shown = easel("models", "info", "ink")
    assert shown.code == 0 and {"Kind LoRA", "Words inky"} <= {" ".join(line.split()) for line in shown.lines}
    short = json.loads(easel("models", "info", "ink", "--json").out)["hash"]
    assert json.loads(easel("models", "info", short, "--json").out)["kind"] == "lora"  # a hash is a name
    assert json.loads(easel("models", "info", "whole", "--json").out)["kind"] == "checkpoint"
    assert json.loads(easel("models", "info", "whole", "--kind", "lora", "--json").out)["kind"] == "lora"
    assert easel("models", "info", "ink", "--kind", "loar").code == 2
    assert easel("models", "info", "cut").code == 1
