"""Stable Diffusion 3 and 3.5: the numbers are diffusers', with T5 and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from easel.core.errors import BadValue
from easel.core.passes import Guidance
from easel.core.settings import read_settings
from easel.core.work import Decode, Evaluate, Rows, Text
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from easel.recipes.common import settle
from easel.sampling import samplers, sigmas_for
from tests.recipes.telling import ask, told
from tests.tiny_families import G, L, write_tiny_sd3

WIDTH = L + G + 16
close: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}


def loaded(folder: Path) -> Model:
    """Load a folder in float32."""
    return load(identify(folder), read_settings(precision="float32"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_sd3(tmp_path_factory.mktemp("models") / "three")


@pytest.fixture(scope="module")
def three(folder: Path) -> Model:
    return loaded(folder)


@pytest.fixture(scope="module")
def bare_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_sd3(tmp_path_factory.mktemp("models") / "medium", t5=False, later=True)


@pytest.fixture(scope="module")
def bare(bare_folder: Path) -> Model:
    """3.5 medium without T5."""
    return loaded(bare_folder)


def pipeline(folder: Path) -> Any:
    """diffusers' pipeline of a folder."""
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )
    from transformers import CLIPTextModelWithProjection, CLIPTokenizer, T5EncoderModel, T5TokenizerFast

    t5 = (folder / "text_encoder_3").is_dir()
    made = StableDiffusion3Pipeline(
        SD3Transformer2DModel.from_pretrained(folder / "transformer"),
        FlowMatchEulerDiscreteScheduler.from_pretrained(folder / "scheduler"),
        AutoencoderKL.from_pretrained(folder / "vae"),
        CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder"),
        CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2"),
        CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        T5EncoderModel.from_pretrained(folder / "text_encoder_3") if t5 else None,
        T5TokenizerFast.from_pretrained(folder / "tokenizer_3") if t5 else None,
    )
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def pipe(folder: Path) -> Any:
    return pipeline(folder)


@torch.inference_mode()
def test_texts_are_the_pipeline_s(three: Model, bare: Model, pipe: Any, bare_folder: Path) -> None:
    for model, other in ((three, pipe), (bare, pipeline(bare_folder))):
        for words in ("a red fox", "the foxing, A FOX!", ""):
            theirs, _, pooled, _ = other.encode_prompt(words, words, words, do_classifier_free_guidance=False)
            (ours,) = model.encode([Text(words)])
            assert ours.context.shape == (77 + 256, WIDTH)
            torch.testing.assert_close(ours.context, theirs[0], **close)
            torch.testing.assert_close(ours.extra["pooled"], pooled[0], **close)


@torch.inference_mode()
def test_long_texts_are_chunks_before_t5_s_tokens(three: Model, bare: Model) -> None:
    for model in (three, bare):
        (long,) = model.encode([Text("a fox " * 20)])
        assert long.context.shape == (2 * 77 + 256, WIDTH)
    assert not bare.encode([Text("a fox")])[0].context[77:].any()


@torch.inference_mode()
@pytest.mark.parametrize("which", ["three", "bare"])
def test_the_denoiser_is_diffusers_own(which: str, folder: Path, bare_folder: Path, request: Any) -> None:
    from diffusers import SD3Transformer2DModel

    model: Model = request.getfixturevalue(which)
    folder = {"three": folder, "bare": bare_folder}[which]
    transformer = SD3Transformer2DModel.from_pretrained(folder / "transformer")
    chance = torch.Generator().manual_seed(1)
    x = torch.randn(3, 16, 8, 6, generator=chance)
    context, pooled = torch.randn(3, 20, WIDTH, generator=chance), torch.randn(3, L + G, generator=chance)
    sigma = torch.tensor([1.0, 0.6, 0.05], dtype=torch.float64)
    ours = model.predict(Rows(x, sigma, context, {"pooled": pooled}))
    output = transformer(x, context, pooled, sigma.float() * 1000).sample
    torch.testing.assert_close(ours, x - sigma.float()[:, None, None, None] * output, **close)


@torch.inference_mode()
def test_pictures_are_the_pipeline_s(three: Model, pipe: Any) -> None:
    """A whole text_to_image from the same noise, with guidance."""
    works, (picture,) = told(ask(negative_prompt="red", width=64, height=48, guidance=Guidance(scale=4)), three)
    evaluations = [work for work in works if isinstance(work, Evaluate)]
    (decoded,) = [work.latents for work in works if isinstance(work, Decode)]
    theirs = pipe(
        "a fox",
        negative_prompt="red",
        latents=evaluations[0].batch.x[:1],
        sigmas=[1.0, 0.75, 0.5, 0.25],
        num_inference_steps=4,
        guidance_scale=4.0,
        width=64,
        height=48,
        output_type="latent",
    ).images
    torch.testing.assert_close(decoded, theirs, rtol=1e-4, atol=1e-4)
    assert picture.image.size == (64, 48)


@torch.inference_mode()
def test_pixels_and_latents_are_diffusers_own(three: Model, pipe: Any) -> None:
    latents, pixels = torch.randn(2, 16, 8, 6), torch.rand(1, 3, 32, 64)
    theirs = (pipe.vae.decode(latents / 1.5305 + 0.0609).sample / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(three.decode(latents), theirs, rtol=1e-4, atol=1e-4)
    theirs = (pipe.vae.encode(pixels * 2 - 1).latent_dist.mode() - 0.0609) * 1.5305
    torch.testing.assert_close(three.encode_images(pixels), theirs, rtol=1e-4, atol=1e-4)


def test_levels_and_habits(three: Model, pipe: Any) -> None:
    settled = settle(ask(width=64, height=64, steps=None), three)
    assert (settled.sampler.name, settled.schedule, settled.steps, settled.scale) == ("Euler", "Simple", 28, 4.5)
    assert (three.levels.shift, three.latent.multiple, three.defaults.width) == (3.0, 16, 1024)
    pipe.scheduler.set_timesteps(sigmas=[1 - step / 20 for step in range(20)])
    ours = torch.tensor(sigmas_for(samplers["Euler"], 20, three.levels, "Simple"))
    torch.testing.assert_close(ours, pipe.scheduler.sigmas, **close)


def test_sizes_beyond_its_places_are_refused(three: Model) -> None:
    """The tiny one knows 16 x 16 patches of 16 pixels."""
    settle(ask(width=256, height=256), three)
    with pytest.raises(BadValue, match=r"height .*at most 256 for this model"):
        settle(ask(width=64, height=272), three)
    with pytest.raises(BadValue, match=r"width .*multiple of 16"):
        settle(ask(width=72, height=64), three)
