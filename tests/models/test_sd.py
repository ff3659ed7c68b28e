"""Stable Diffusion from a diffusers folder: the numbers are diffusers', and damaged files are named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from easel.core.errors import Incomplete, Mismatch, ModelError, Unrecognised, Unsafe
from easel.core.settings import read_settings
from easel.core.work import Rows, Text
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from easel.models.layouts.sources import present
from easel.models.sd import StableDiffusion
from easel.sampling.levels import Levels
from tests.tiny import write_tiny_sd


def rows(count: int = 3) -> Rows:
    chance = torch.Generator().manual_seed(1)
    return Rows(
        x=torch.randn(count, 4, 8, 8, generator=chance) * 5,
        sigma=torch.tensor([14.0, 3.0, 0.1][:count], dtype=torch.float64),
        context=torch.randn(count, 77, 32, generator=chance),
    )


@torch.inference_mode()
def test_two_rows_are_row_by_row(tiny: Model) -> None:
    batch = rows()
    together = tiny.predict(batch)
    assert together.shape == batch.x.shape
    for i in range(3):
        one = Rows(batch.x[i : i + 1], batch.sigma[i : i + 1], batch.context[i : i + 1])
        torch.testing.assert_close(tiny.predict(one)[0], together[i], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@torch.inference_mode()
def test_denoised_is_diffusers_own(tmp_path: Path, prediction: str) -> None:
    """At the table's own sigmas, denoised equals pred_original_sample of diffusers' scheduler."""
    from diffusers import DDIMScheduler, UNet2DConditionModel

    folder = write_tiny_sd(tmp_path / "m", prediction=prediction, linear_projection=True)
    model = load(identify(folder), read_settings(precision="float32"))
    assert identify(folder).variant == "2.x"
    scheduler: Any = DDIMScheduler.from_pretrained(folder / "scheduler", clip_sample=False)
    scheduler.set_timesteps(1000)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    batch = rows()
    for t in (0, 500, 999):
        sigma = model.levels.table[t]
        ours = model.predict(Rows(batch.x, torch.full((3,), sigma, dtype=torch.float64), batch.context))
        preserved = batch.x / (1 + sigma**2) ** 0.5
        output = unet(preserved, t, batch.context).sample
        theirs = scheduler.step(output, t, preserved).pred_original_sample
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


@torch.inference_mode()
def test_text_is_transformers_own(tiny_folder: Path, tiny: StableDiffusion) -> None:
    from transformers import CLIPTextModel, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(tiny_folder / "tokenizer")
    model = CLIPTextModel.from_pretrained(tiny_folder / "text_encoder")
    for text in ("a red fox", "", "빨간 사과, A FOX"):
        ids = tokenizer(text, padding="max_length", max_length=77, return_tensors="pt").input_ids
        (ours,) = tiny.encode([Text(text)])
        torch.testing.assert_close(ours.context, model(ids).last_hidden_state[0])


@torch.inference_mode()
def test_emphasis_changes_the_words_and_keeps_the_mean(tiny: Model) -> None:
    plain, heavy = tiny.encode([Text("a red fox"), Text("a (red:1.4) fox")])
    assert not torch.equal(plain.context, heavy.context)
    (alone,) = tiny.encode([Text("a (red:1.4) fox")])
    torch.testing.assert_close(alone.context, heavy.context)


@torch.inference_mode()
def test_decode_is_diffusers_own(tiny_folder: Path, tiny: Model) -> None:
    from diffusers import AutoencoderKL

    vae: Any = AutoencoderKL.from_pretrained(tiny_folder / "vae")
    latents = torch.randn(2, 4, 8, 6)
    theirs = (vae.decode(latents / vae.config.scaling_factor).sample / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(tiny.decode(latents), theirs, rtol=1e-4, atol=1e-4)


def test_published_names_load_like_present_ones(tiny_folder: Path, tmp_path: Path, tiny: StableDiffusion) -> None:
    """Published checkpoints wrap the text encoder and call the autoencoder's attention otherwise."""
    folder = shutil.copytree(tiny_folder, tmp_path / "old")
    text = load_file(folder / "text_encoder" / "model.safetensors")
    old_text = {f"text_model.{key}": value for key, value in text.items()}
    old_text["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file(old_text, folder / "text_encoder" / "model.safetensors")
    vae_file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    published = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    vae = load_file(vae_file)
    for new, old in published.items():
        vae = {key.replace(f".{new}.", f".{old}."): value for key, value in vae.items()}
    assert any(".proj_attn." in key for key in vae)
    assert not any(".proj_attn." in key for key in present("vae", vae))
    save_file(vae, vae_file)
    again = load(identify(folder), read_settings(precision="float32"))
    with torch.inference_mode():
        assert torch.equal(again.encode([Text("a fox")])[0].context, tiny.encode([Text("a fox")])[0].context)
        assert torch.equal(again.decode(torch.ones(1, 4, 4, 4)), tiny.decode(torch.ones(1, 4, 4, 4)))


def test_levels_are_stable_diffusion_s(tiny: Model) -> None:
    assert tiny.levels == Levels.from_betas()
    assert (round(tiny.levels.sigma_min, 4), round(tiny.levels.sigma_max, 4)) == (0.0292, 14.6146)


def truncate(folder: Path) -> Path:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    return file


def forget(folder: Path) -> Path:
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors.pop("decoder.conv_in.weight")
    save_file(tensors, file)
    return file


def add(folder: Path) -> Path:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    save_file(load_file(file) | {"stranger": torch.zeros(1)}, file)
    return file


def reshape(folder: Path) -> Path:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    save_file(load_file(file) | {"conv_in.weight": torch.zeros(32, 4, 1, 1)}, file)
    return file


def pickle(folder: Path) -> Path:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.unlink()
    torch.save({"weight": Path("x")}, file.with_suffix(".bin"))
    return file.with_suffix(".bin")


def lose(folder: Path) -> Path:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    return folder / "unet"


def no_words(folder: Path) -> Path:
    (folder / "tokenizer" / "vocab.json").unlink()
    return folder / "tokenizer" / "vocab.json"


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (truncate, Incomplete, "truncated or damaged"),
        (forget, Incomplete, "first 'decoder.conv_in.weight'"),
        (add, Mismatch, "first 'stranger'"),
        (reshape, Mismatch, r"'conv_in.weight' is \(32, 4, 1, 1\)"),
        (pickle, Unsafe, "asks for pathlib"),
        (lose, Incomplete, "no weights here"),
        (no_words, Incomplete, "missing"),
    ],
)
def test_damaged_folders_are_named(
    tiny_folder: Path, tmp_path: Path, damage: Callable[[Path], Path], error: type[ModelError], words: str
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "damaged")
    named = damage(folder)
    with pytest.raises(error, match=words) as caught:
        load(identify(folder), read_settings(precision="float32"))
    assert str(named) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "changes", "error", "words"),
    [
        ("unet", {"in_channels": 8}, Unrecognised, "8 input channels"),
        ("unet", {"addition_embed_type": "text_time"}, Unrecognised, "is not read; supported are"),
        ("unet", None, Incomplete, "cannot be read as JSON"),
    ],
)
def test_other_models_are_refused_from_their_headers(
    tiny_folder: Path, tmp_path: Path, part: str, changes: dict[str, object] | None, error: type[ModelError], words: str
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "other")
    file = folder / part / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes) if changes else "{")
    with pytest.raises(error, match=words):
        identify(folder)


def test_a_model_may_bring_its_own_habits(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "habits")
    (folder / "easel.json").write_text('{"sampler": "Euler a", "scale": 4.0}')
    model = load(identify(folder), read_settings(precision="float32"))
    assert (model.defaults.sampler, model.defaults.scale, model.defaults.width) == ("Euler a", 4.0, 64)
    (folder / "easel.json").write_text('{"smapler": "Euler a"}')
    with pytest.raises(Mismatch, match="smapler; allowed are width, height, steps, sampler"):
        load(identify(folder), read_settings(precision="float32"))


def test_shards_load_as_one(tiny_folder: Path, tmp_path: Path, tiny: Model) -> None:
    from diffusers import UNet2DConditionModel

    folder = shutil.copytree(tiny_folder, tmp_path / "shards")
    shutil.rmtree(folder / "unet")
    UNet2DConditionModel.from_pretrained(tiny_folder / "unet").save_pretrained(folder / "unet", max_shard_size="200KB")
    assert len(list((folder / "unet").glob("*.safetensors"))) > 1
    again = load(identify(folder), read_settings(precision="float32"))
    with torch.inference_mode():
        assert torch.equal(again.predict(rows()), tiny.predict(rows()))
    next((folder / "unet").glob("*00002*")).unlink()
    with pytest.raises(Incomplete, match=r"shard .* is missing"):
        load(identify(folder), read_settings())
