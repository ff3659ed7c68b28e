"""Stable Diffusion XL and its refiner: the numbers are diffusers', and words are read as A1111 reads them."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
import torch
from torch import Tensor

from easel.core.errors import Incomplete
from easel.core.passes import Guidance, Refiner, Words
from easel.core.settings import read_settings
from easel.core.work import Decode, Evaluate, Rows, Text
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from easel.recipes.common import settle
from easel.sampling.levels import Levels
from tests.recipes.telling import ask, by_name, told
from tests.tiny_families import G, L, write_tiny_sdxl

close: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}


def loaded(folder: Path) -> Model:
    """Load a folder in float32."""
    return load(identify(folder), read_settings(precision="float32"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_sdxl(tmp_path_factory.mktemp("models") / "xl")


@pytest.fixture(scope="module")
def xl(folder: Path) -> Model:
    return loaded(folder)


@pytest.fixture(scope="module")
def refiner(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return loaded(write_tiny_sdxl(tmp_path_factory.mktemp("models") / "refiner", refiner=True))


@pytest.fixture(scope="module")
def pipe(folder: Path) -> Any:
    """diffusers' pipeline of the same folder."""
    return pipeline(folder)


def pipeline(folder: Path) -> Any:
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    made = StableDiffusionXLPipeline(
        AutoencoderKL.from_pretrained(folder / "vae"),
        CLIPTextModel.from_pretrained(folder / "text_encoder"),
        CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2"),
        CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        UNet2DConditionModel.from_pretrained(folder / "unet"),
        EulerDiscreteScheduler.from_pretrained(folder / "scheduler"),
        add_watermarker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


def rows(width: int, pooled: int, **extra: Tensor) -> Rows:
    chance = torch.Generator().manual_seed(1)
    return Rows(
        x=torch.randn(3, 4, 8, 6, generator=chance) * 5,
        sigma=torch.tensor([14.0, 3.0, 0.1], dtype=torch.float64),
        context=torch.randn(3, 77, width, generator=chance),
        extra={"pooled": torch.randn(3, pooled, generator=chance), **extra},
    )


@torch.inference_mode()
def test_texts_are_the_pipeline_s(xl: Model, pipe: Any) -> None:
    for words in ("a red fox", "A FOX, 빨간 사과", ""):
        theirs, _, pooled, _ = pipe.encode_prompt(words, do_classifier_free_guidance=False)
        (ours,) = xl.encode([Text(words)])
        assert ours.context.shape == (77, L + G)
        torch.testing.assert_close(ours.context, theirs[0], **close)
        torch.testing.assert_close(ours.extra["pooled"], pooled[0], **close)


@torch.inference_mode()
def test_long_texts_are_chunks_and_the_first_is_pooled(xl: Model) -> None:
    first = "x " * 75
    alone, both = xl.encode([Text(first), Text(first + "y y y")])
    assert both.context.shape == (154, L + G)
    assert torch.allclose(both.context[:77], alone.context, atol=1e-6)
    assert torch.allclose(both.extra["pooled"], alone.extra["pooled"], atol=1e-6)


@torch.inference_mode()
def test_each_encoder_weighs_its_own_words(xl: Any) -> None:
    """Emphasis keeps the mean of each encoder's own states, and leaves the pooled vector alone."""
    plain, heavy, skipped = xl.encode([Text("a fox"), Text("a (fox:1.5)"), Text("a fox", Words(clip_skip=2))])
    for part in (slice(0, L), slice(L, L + G)):
        torch.testing.assert_close(heavy.context[:, part].mean(), plain.context[:, part].mean(), **close)
    assert not torch.allclose(heavy.context, plain.context)
    assert torch.allclose(heavy.extra["pooled"], plain.extra["pooled"], atol=1e-6)
    assert torch.equal(skipped.context, plain.context)


@torch.inference_mode()
def test_an_empty_negative_is_zeros(xl: Model, refiner: Model) -> None:
    empty, away, said = xl.encode([Text(""), Text("", away=True), Text("ugly", away=True)])
    assert not away.context.any()
    assert not away.extra["pooled"].any()
    assert away.context.shape == empty.context.shape
    assert empty.context.any()
    assert said.context.any()
    to, away = refiner.encode([Text("a fox"), Text("", away=True)])
    assert (float(to.extra["aesthetic"]), float(away.extra["aesthetic"])) == (6.0, 2.5)
    assert not away.context.any()


@torch.inference_mode()
def test_the_denoiser_is_diffusers_own(xl: Any, pipe: Any) -> None:
    batch = rows(L + G, G)
    for t in (0, 500, 999):
        sigma = xl.levels.table[t]
        ours = xl.predict(Rows(batch.x, torch.full((3,), sigma, dtype=torch.float64), batch.context, batch.extra))
        ids = torch.tensor([[64.0, 48, 0, 0, 64, 48]] * 3)
        added = {"text_embeds": batch.extra["pooled"], "time_ids": ids}
        noise = pipe.unet(batch.x / (1 + sigma**2) ** 0.5, t, batch.context, added_cond_kwargs=added).sample
        torch.testing.assert_close(ours, batch.x - sigma * noise, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_the_refiner_s_denoiser_is_diffusers_own(refiner: Any) -> None:
    batch = rows(G, G, aesthetic=torch.tensor([6.0, 2.5, 6.0]))
    sigma = refiner.levels.table[500]
    ours = refiner.predict(Rows(batch.x, torch.full((3,), sigma, dtype=torch.float64), batch.context, batch.extra))
    ids = torch.tensor([[64.0, 48, 0, 0, score] for score in (6.0, 2.5, 6.0)])
    added = {"text_embeds": batch.extra["pooled"], "time_ids": ids}
    noise = refiner.unet(batch.x / (1 + sigma**2) ** 0.5, 500, batch.context, added_cond_kwargs=added).sample
    torch.testing.assert_close(ours, batch.x - sigma * noise, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in diffusers
@torch.inference_mode()
def test_pictures_are_the_pipeline_s(xl: Model, pipe: Any) -> None:
    """A whole text_to_image from the same noise, with guidance and zeros to lead away from."""
    works, _ = told(ask(sampler="Euler", schedule="Uniform", guidance=Guidance(scale=5)), xl)
    evaluations = [work for work in works if isinstance(work, Evaluate)]
    (decoded,) = [work.latents for work in works if isinstance(work, Decode)]
    noise = evaluations[0].batch.x[:1] / xl.levels.sigma_max
    theirs = pipe(
        "a fox",
        latents=noise * (xl.levels.sigma_max / pipe.scheduler.init_noise_sigma),
        num_inference_steps=4,
        guidance_scale=5.0,
        height=64,
        width=64,
        output_type="latent",
    ).images
    torch.testing.assert_close(decoded, theirs, rtol=1e-3, atol=1e-3)


def test_a_refiner_takes_over(xl: Model, refiner: Model) -> None:
    from functools import partial

    from easel.engine.runner import perform

    request = ask(model="xl", refiner=Refiner(model="refiner", switch_at=0.5))
    works, pictures = told(request, xl, partial(perform, load=by_name({"refiner": refiner})))
    leaders = [work.model for work in works if isinstance(work, Evaluate)]
    assert leaders[0] is xl
    assert leaders[-1] is refiner
    assert pictures[0].image.size == (64, 64)


@torch.inference_mode()
def test_pixels_and_latents_are_diffusers_own(xl: Model, pipe: Any) -> None:
    latents, pixels = torch.randn(2, 4, 8, 6), torch.rand(1, 3, 32, 64)
    theirs = (pipe.vae.decode(latents / 0.13025).sample / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(xl.decode(latents), theirs, rtol=1e-4, atol=1e-4)
    theirs = pipe.vae.encode(pixels * 2 - 1).latent_dist.mode() * 0.13025
    torch.testing.assert_close(xl.encode_images(pixels), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("zero_snr", [True, False])
def test_v_prediction_and_zero_terminal_snr(tmp_path: Path, zero_snr: bool) -> None:
    model: Any = loaded(write_tiny_sdxl(tmp_path / "v", prediction="v_prediction", zero_snr=zero_snr))
    assert model.prediction.name == "v_prediction"
    assert model.levels == Levels.from_betas(rescale_betas_zero_snr=zero_snr, optimised="sdxl")
    assert (model.levels.sigma_max > 4000) is zero_snr


def test_inpainting_reads_nine_channels(tmp_path: Path, xl: Model) -> None:
    model = loaded(write_tiny_sdxl(tmp_path / "inpaint", inpaint=True))
    assert (model.inpaints, xl.inpaints, model.distilled) == (True, False, False)
    works, _ = told(ask(), model)
    shapes = {tuple(work.batch.extra["inpaint"].shape[1:]) for work in works if isinstance(work, Evaluate)}
    assert shapes == {(5, 8, 8)}


def test_habits_are_the_family_s(xl: Model) -> None:
    settled = settle(ask(width=None, height=None, steps=None), xl)
    assert (settled.width, settled.height, settled.steps, settled.scale) == (1024, 1024, 30, 6.0)
    assert list(xl.parts) == ["unet", "text_encoder", "text_encoder_2", "vae"]


def test_missing_parts_are_told_in_one_line(tmp_path: Path) -> None:
    folder = write_tiny_sdxl(tmp_path / "torn")
    identity = identify(folder)
    rmtree(folder / "vae")
    rmtree(folder / "text_encoder_2")
    words = (
        "has no autoencoder .VAE., no text encoder CLIP-G; give them by --vae FILE --text-encoder clip_g.safetensors"
    )
    with pytest.raises(Incomplete, match=words):
        load(identity, read_settings(precision="float32"))
