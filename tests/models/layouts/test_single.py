"""Single files of Stable Diffusion 1.x and 2.x: every number is diffusers', every name is placed or told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from easel.core.errors import Incomplete, Mismatch, ModelError, Unrecognised
from easel.core.settings import read_settings
from easel.core.work import Rows, Text
from easel.models.family import load
from easel.models.layouts.identify import Identity, identify
from easel.models.layouts.single import contents_of
from easel.models.sd import StableDiffusion
from tests.ldm import (
    SMALL_1,
    SMALL_2,
    Build,
    random_tensors,
    write_ldm,
)
from tests.models.layouts import peers

BUILDS = {
    "1.x": SMALL_1,
    "1.x inpainting": replace(SMALL_1, inpaints=True),
    "1.x, two layers a level": replace(SMALL_1, base=32, widths=(1, 2, 2), attends=(True, True, False), layers=2),
    "2.x": SMALL_2,
    "2.x inpainting": replace(SMALL_2, inpaints=True),
}
Tensors = dict[str, Tensor]


def loaded(file: Path) -> StableDiffusion:
    return cast(StableDiffusion, load(identify(file), read_settings(precision="float32")))


@pytest.fixture(scope="module")
def first() -> Tensors:
    """A small Stable Diffusion 1."""
    return random_tensors(SMALL_1)


@pytest.fixture(scope="module")
def second() -> Tensors:
    """A small Stable Diffusion 2."""
    return random_tensors(SMALL_2)


def assert_is_the_peers(model: StableDiffusion, build: Build, tensors: Tensors) -> None:
    """Hold text encoder, U-Net and autoencoder against diffusers' and transformers', to 1e-5."""
    chance = torch.Generator().manual_seed(3)
    close: Any = {"rtol": 1e-5, "atol": 1e-5}
    (ours,) = model.encode([Text("a red fox, 빨간 여우")])
    (chunk,) = model.text.reader.chunks(Text("a red fox, 빨간 여우"))
    theirs = peers.text(build, tensors)(input_ids=torch.tensor([chunk.ids])).last_hidden_state[0]
    torch.testing.assert_close(ours.context, theirs, **close)
    x = torch.randn(2, 9 if build.inpaints else 4, 8, 16, generator=chance)
    context = torch.randn(2, 77, build.text, generator=chance)
    times = torch.tensor([999, 10])
    arguments = (x, times, context)
    theirs = peers.unet(build, tensors)(*arguments).sample
    torch.testing.assert_close(cast(Any, model.unet)(*arguments).sample, theirs, **close)
    vae, config = peers.vae(build, tensors), cast(Any, model.vae.module.config)
    latents, pixels = torch.randn(1, 4, 4, 8, generator=chance), torch.rand(1, 3, 32, 64, generator=chance)
    theirs = (vae.decode(latents / 0.18215).sample / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(model.decode(latents), theirs, **close)
    theirs = vae.encode(pixels * 2 - 1).latent_dist.mode() * config.scaling_factor
    torch.testing.assert_close(model.encode_images(pixels), theirs, **close)


@pytest.mark.parametrize("name", BUILDS)
@torch.inference_mode()
def test_every_number_is_the_peers(tmp_path: Path, name: str) -> None:
    build, tensors = BUILDS[name], random_tensors(BUILDS[name])
    file = write_ldm(tmp_path / "model.safetensors", tensors)
    identity = identify(file)
    assert (identity.words, identity.missing, identity.dtype) == (f"sd {name.partition(',')[0]}", (), "float32")
    model = loaded(file)
    assert model.inpaints == build.inpaints
    assert_is_the_peers(model, build, tensors)
    assert all(len(keys) for what, keys in contents_of(file).unused.items() if what)
    assert "" not in contents_of(file).unused


@torch.inference_mode()
def test_rows_are_denoised(tmp_path: Path, first: Tensors) -> None:
    model = loaded(write_ldm(tmp_path / "model.safetensors", first))
    rows = Rows(x=torch.randn(2, 4, 8, 8), sigma=torch.tensor([9.0, 0.5]).double(), context=torch.randn(2, 77, 64))
    assert model.predict(rows).isfinite().all()


def without(*prefixes: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {key: value for key, value in tensors.items() if not key.startswith(prefixes)}


def in_formats(tensors: Tensors) -> Tensors:
    """Parts of the U-Net in float16 and float8, the rest in bfloat16, the autoencoder in float32."""
    formats = {
        "model.diffusion_model.in": torch.float16,
        "model.diffusion_model.middle": torch.float8_e4m3fn,
        "model.diffusion_model.time": torch.float8_e5m2,
        "first_stage_model.": torch.float32,
    }
    return {
        key: value.to(next((dtype for prefix, dtype in formats.items() if key.startswith(prefix)), torch.bfloat16))
        for key, value in tensors.items()
    }


@torch.inference_mode()
def test_mixed_formats_load_as_they_are(tmp_path: Path, first: Tensors) -> None:
    mixed = in_formats(first)
    file = write_ldm(tmp_path / "mixed.safetensors", mixed)
    assert set(identify(file).dtype.split(", ")) == {
        "bfloat16",
        "float16",
        "float32",
        "float8 e4m3",
        "float8 e5m2",
    }
    assert_is_the_peers(loaded(file), SMALL_1, {key: value.float() for key, value in mixed.items()})


def test_averages_for_training_on_are_left_alone(tmp_path: Path, first: Tensors) -> None:
    """The published weights are the model's; beside them may stand their running average under flat names."""
    flat = {
        "model_ema." + key.removeprefix("model.").replace(".", ""): value + 1
        for key, value in first.items()
        if key.startswith("model.")
    }
    file = write_ldm(tmp_path / "ema.safetensors", first | flat | {"model_ema.decay": torch.tensor(0.9999)})
    unused = dict(identify(file).unused)
    assert unused["running average of the U-Net, for training on"] == len(flat) + 1
    bare = loaded(write_ldm(tmp_path / "bare.safetensors", first))
    ours, theirs = loaded(file).unet.state_dict(), bare.unet.state_dict()
    assert all(torch.equal(ours[key], value) for key, value in theirs.items())


@torch.inference_mode()
def test_the_text_encoder_may_go_without_its_wrapper_s_name(tmp_path: Path, first: Tensors) -> None:
    bare = {key.replace("transformer.text_model.", "transformer."): value for key, value in first.items()}
    file = write_ldm(tmp_path / "bare.safetensors", bare)
    assert "not known" not in dict(identify(file).unused)
    assert_is_the_peers(loaded(file), SMALL_1, first)


def test_2_x_goes_without_its_last_layer(tmp_path: Path, second: Tensors) -> None:
    file = write_ldm(tmp_path / "model.safetensors", second)
    assert dict(identify(file).unused)["the text encoder's last layer, which 2.x does not read"] == 12
    model = loaded(file)
    encoder: Any = model.text.model.encoder
    assert (len(encoder.layers), model.text.reader.marks.pad) == (2, 0)


def test_missing_parts_are_told_and_refused(tmp_path: Path, first: Tensors) -> None:
    file = write_ldm(tmp_path / "pruned.safetensors", without("first_stage_model.", "cond_stage_model.")(first))
    assert identify(file).missing == ("autoencoder (VAE)", "text encoder")
    with pytest.raises(Incomplete, match=r"pruned\.safetensors: has no autoencoder \(VAE\), no text encoder"):
        loaded(file)


def changed(**changes: Tensor | None) -> Callable[[Tensors], Tensors]:
    def change(tensors: Tensors) -> Tensors:
        return {key: value for key, value in (tensors | changes).items() if value is not None}

    return change


UNET, TEXT = "model.diffusion_model.", "cond_stage_model.transformer.text_model."


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({f"{UNET}out.2.bias": None}, Incomplete, "1 tensors are missing, first 'conv_out.bias'"),
        ({f"{UNET}out.2.weight": None}, Incomplete, r"in model\.diffusion_model\.\* 'out\.2\.weight' is missing"),
        ({f"{UNET}out.2.weight": torch.zeros(4)}, Mismatch, r"'out\.2\.weight' is \(4,\), needed is a tensor of 4"),
        ({f"{UNET}stranger": torch.zeros(4)}, Mismatch, r"first 'model\.diffusion_model\.stranger'"),
        ({f"{UNET}out.0.weight": torch.zeros(9)}, Mismatch, r"'model\.diffusion_model\.out\.0\.weight' is \(9,\)"),
        ({f"{UNET}out.0.weight": torch.zeros(64).int()}, Mismatch, "holds torch.int32"),
        ({f"{UNET}input_blocks.1.0.out_layers.3.weight": torch.zeros(65, 64, 3, 3)}, Mismatch, "divisible"),
        (
            {f"{UNET}input_blocks.0.0.weight": torch.zeros(64, 5, 3, 3)},
            Unrecognised,
            "5 input channels and reads depth",
        ),
        ({f"{UNET}input_blocks.0.0.weight": torch.zeros(64)}, Unrecognised, "0 input channels"),
        ({f"{UNET}input_blocks.4.0.in_layers.0.weight": torch.zeros(4)}, Mismatch, "1, 2 layers a level"),
        ({f"{TEXT}embeddings.token_embedding.weight": torch.zeros(9, 64)}, Mismatch, "knows 49408 tokens"),
        ({f"{TEXT}embeddings.token_embedding.weight": torch.zeros(49408, 129)}, Mismatch, "make no text encoder"),
        ({"first_stage_model.encoder.conv_in.weight": torch.zeros(1, 3, 3, 3)}, Mismatch, "needs .32, 3, 3, 3."),
        ({"model.diffusion_model.label_emb.0.0.weight": torch.zeros(1)}, Mismatch, "'label_emb.0.0.weight' is .1,."),
        (
            {"model.diffusion_model.label_emb.0.0.weight": torch.zeros(256, 2048)},
            Unrecognised,
            "reads more than words and is not XL",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, first: Tensors, change: dict[str, Tensor | None], error: type[ModelError], words: str
) -> None:
    file = write_ldm(tmp_path / "wrong.safetensors", changed(**change)(first))
    with pytest.raises(error, match=words) as caught:
        loaded(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def telling(identity: Identity) -> tuple[str, str]:
    return identity.prediction, identity.known_by.partition(",")[0]


BIAS = "model.diffusion_model.output_blocks.3.1.transformer_blocks.0.norm1.bias"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_2_x_tells_what_it_predicts_by_one_bias(tmp_path: Path, second: Tensors, dtype: torch.dtype) -> None:
    for size, prediction in ((0.2, "v_prediction"), (0.02, "epsilon")):
        bias = (torch.arange(64) % 2 * 2 - 1) * size
        file = write_ldm(tmp_path / "model.safetensors", second | {BIAS: bias.to(dtype)})
        assert telling(identify(file)) == (prediction, "by the spread of one bias")
        assert identify(file).known_by.endswith(f"{size:.3f}")


def test_people_and_files_outweigh_the_bias(tmp_path: Path, second: Tensors) -> None:
    file = write_ldm(tmp_path / "model.safetensors", second, {"modelspec.prediction_type": "v"})
    assert telling(identify(file)) == ("v_prediction", "told by the file's metadata")
    assert loaded(file).defaults.width == 96 * 8
    (tmp_path / "model.yaml").write_text("model:\n  params:\n    parameterization: eps\n")
    assert telling(identify(file)) == ("epsilon", "told by model.yaml")
    (tmp_path / "model.easel.json").write_text('{"prediction": "v_prediction", "steps": 30}')
    assert telling(identify(file)) == ("v_prediction", "told by model.easel.json")
    model = loaded(file)
    assert (model.prediction.name, model.defaults.steps, model.defaults.width) == ("v_prediction", 30, 768)
    file = write_ldm(tmp_path / "marked.safetensors", second | {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)})
    assert telling(identify(file)) == ("v_prediction", "marked in the file")
    assert loaded(file).levels.sigma_max > 1000


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [
        ("model.yaml", "model: {params: {parameterization: w}}", "parameterization is 'w', allowed are eps, v, x0"),
        ("model.yaml", "{", "cannot be read as YAML"),
        ("model.yaml", "!!python/object/apply:os.system ['false']", "cannot be read as YAML"),
        ("model.yaml", "#" * (2**20 + 1), "larger than"),
        ("model.easel.json", '{"prediction": "eps"}', "prediction is 'eps', allowed are epsilon"),
        ("model.easel.json", '{"stpes": 3}', "stpes; allowed are width"),
    ],
)
def test_what_stands_beside_is_checked(tmp_path: Path, first: Tensors, name: str, said: str, words: str) -> None:
    file = write_ldm(tmp_path / "model.safetensors", first)
    (tmp_path / name).write_text(said)
    with pytest.raises(ModelError, match=words) as caught:
        loaded(file)
    assert name in str(caught.value)
