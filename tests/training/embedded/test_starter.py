"""The program of the 256-pixel model from glyphs to figures at toy size, and what it is made of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from typer import Typer
from typer.testing import CliRunner

from easel.core.settings import read_settings
from easel.models.family import load as load_model
from easel.models.layouts.identify import identify
from easel.training.autoencoder import make_autoencoder
from easel.training.base import BaseConfig, make_unet
from easel.training.checkpoint import load
from easel.training.embedded import autoencoder as pictures
from easel.training.embedded import carrying
from easel.training.embedded.autoencoder import train_autoencoder
from easel.training.embedded.base import train_base
from easel.training.embedded.clip import train_clip
from easel.training.embedded.growing import begin_from
from easel.training.embedded.judges import Glyphs, frechet
from easel.training.embedded.recipe import RECIPES, STAGES, toy, with_budget
from easel.training.embedded.starter import main
from easel.training.embedded.trials import make_trials
from easel.training.embedded.workshop import open_workshop, trained_autoencoder
from easel.training.export import load as load_export
from easel.training.loop import Plan, train
from easel.training.subjects import load_subjects
from easel.training.world.deck import packed
from easel.training.world.kit import make_kit
from easel.training.world.painting import make_atlas, paint


def run(*arguments: str) -> str:
    program = Typer()
    program.command()(main)
    result = CliRunner().invoke(program, ["--recipe", "toy", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
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


def test_stages_begin_from_an_exported_model(made: Path, tmp_path: Path) -> None:
    still = Plan(steps=1, warmup=1, learning_rate=0.0)
    plans = {f"{stage}_plan": still for stage in STAGES}
    recipe = replace(toy(), refresh=0, perceived=0.0, adversary=0.0, buckets={}, **plans)
    shop = open_workshop(recipe, tmp_path, "cpu", start=made / "model")
    assert (tmp_path / "tokenizer" / "merges.txt").read_bytes() == (made / "tokenizer" / "merges.txt").read_bytes()
    _, towers, autoencoder, unet = load_export(made / "model")
    for part, wanted in ((train_clip(shop), towers), (train_autoencoder(shop), None), (train_base(shop), unet)):
        if wanted is not None:
            known = wanted.state_dict()
            assert all(torch.equal(value, known[name]) for name, value in part.state_dict().items())
    own = trained_autoencoder(shop).decoder.conv_out.weight
    assert torch.equal(own, autoencoder.decoder.conv_out.weight)
    words = sorted((tmp_path / "base" / "latents").glob("words-*"))
    assert load_file(words[0])["rows"].shape == (16, 2, 77, 32)


def test_latents_at_half_their_size_learn_to_give_half_the_picture(made: Path, tmp_path: Path) -> None:
    recipe = replace(toy(), perceived=0.0, adversary=0.0, halved=1.0)
    shop = open_workshop(recipe, tmp_path, "cpu", start=made / "model")
    autoencoder = make_autoencoder(recipe.autoencoder)
    pair = pictures.Pair(autoencoder, adversary=False)
    losses = pictures.make_losses(shop, pair, None)
    with torch.no_grad():
        before = float(losses(0)["half"])
    train(pair, lambda step: losses(step % 4), Plan(steps=40, warmup=3, learning_rate=5e-3, average=0.8), tmp_path)
    with torch.no_grad():
        assert float(losses(0)["half"]) > before + 1  # dB


def test_a_stage_without_what_it_needs_names_the_other(tmp_path: Path) -> None:
    program = Typer()
    program.command()(main)
    result = CliRunner().invoke(program, ["--recipe", "toy", "--stage", "base", "--out", str(tmp_path)])
    assert isinstance(result.exception, FileNotFoundError)
    assert "run --stage clip first" in str(result.exception)


def test_a_budget_is_shared_out() -> None:
    shared = with_budget(toy(), 10.0)
    minutes = [getattr(shared, f"{stage}_plan").minutes for stage in STAGES]
    assert sum(minutes) == pytest.approx(10)
    assert with_budget(toy(), 3.0, ("clip",)).clip_plan.minutes == pytest.approx(3)


@pytest.mark.parametrize("name", ["card", "cores"])
def test_the_base_model_stays_within_forty_megabytes(name: str) -> None:
    from easel.training.clip import Towers

    recipe = RECIPES[name]()
    parts = (
        make_autoencoder(recipe.autoencoder),
        Towers(recipe.clip, recipe.vocabulary),
        make_unet(recipe.base, recipe.clip.text_width, recipe.side // 8),
    )
    sizes = [sum(p.numel() for p in part.parameters()) for part in parts]
    assert 2 * (sizes[0] + sizes[1]) + (1 if recipe.eight_bits else 2) * sizes[2] < 39_500_000


def test_a_larger_unet_grows_around_a_smaller(tmp_path: Path) -> None:
    small = make_unet(BaseConfig(channels=(16, 32), heads=(1, 2), attention=(False, True), groups=8), 32)
    small.save_pretrained(tmp_path)
    config = BaseConfig(channels=(8, 16, 32), heads=(1, 1, 2), attention=(False, True, True), groups=8)
    large = make_unet(config, 32)
    begin_from(large, tmp_path)
    own, known = large.state_dict(), small.state_dict()
    for name in ("mid_block.attentions.0.proj_in.weight", "up_blocks.0.resnets.0.conv1.weight"):
        assert torch.equal(own[name], known[name])
    inner = "attentions.0.transformer_blocks.0.attn2.to_k.weight"
    assert torch.equal(own[f"down_blocks.2.{inner}"], known[f"down_blocks.1.{inner}"])
    assert not own["down_blocks.1.attentions.0.proj_out.weight"].any()  # a look that the smaller one does not have
    assert isinstance(large, UNet2DConditionModel)


def test_states_travel_in_small_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "LARGEST", 1000)
    folder = tmp_path / "states"
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "state.safetensors").write_bytes(bytes(range(256)) * 10)
    (folder / "empty.csv").write_bytes(b"")
    carrying.pack(folder, tmp_path / "parcel")
    pieces = sorted((tmp_path / "parcel").glob("piece-*"))
    assert len(pieces) > 2 and max(piece.stat().st_size for piece in pieces) <= 1000
    carrying.unpack(tmp_path / "parcel", tmp_path / "again")
    for name in ("base/state.safetensors", "empty.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    carrying.pack(folder, tmp_path / "less", only=["empty.csv"])
    carrying.unpack(tmp_path / "less", tmp_path / "few")
    assert [path.name for path in (tmp_path / "few").iterdir()] == ["empty.csv"]
    pieces[1].write_bytes(b"other")
    with pytest.raises(Exception, match="not as it was packed"):
        carrying.unpack(tmp_path / "parcel", tmp_path / "broken")
    assert not (tmp_path / "broken").exists()


def test_trials_are_fixed_and_of_every_kind() -> None:
    trials = make_trials(load_subjects(), 60)
    assert trials == make_trials(load_subjects(), 60)
    assert {(t.kind, t.language) for t in trials} == {
        (k, lang) for k in ("one", "two", "style") for lang in ("en", "ko")
    }


def test_glyphs_tell_subjects_apart() -> None:
    kit = make_kit(load_subjects()[:12])
    atlas = make_atlas(kit.atlas)
    trials = [trial for trial in make_trials(kit.subjects, 60) if trial.kind == "one"]
    pictures = paint(atlas, packed([trial.scene for trial in trials]), (128, 128))
    best = Glyphs(atlas).ranked(pictures)[:, 0].tolist()
    assert best == [trial.scene.things[0].subject for trial in trials]


def test_the_frechet_distance_is_that_of_normal_features() -> None:
    drawn = torch.Generator().manual_seed(1)
    features = torch.randn(4000, 3, generator=drawn)
    assert frechet(features, features) == pytest.approx(0, abs=1e-6)
    assert frechet(features, features + 2) == pytest.approx(12, abs=1e-6)
    assert frechet(features, features * 2) == pytest.approx(3, rel=0.1)
