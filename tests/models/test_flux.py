"""Flux: the numbers are diffusers', and guidance is data of a row."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
import torch

from easel.adapters.tiling import Seamless
from easel.core.errors import Incomplete, Unsupported
from easel.core.passes import Guidance, Words
from easel.core.settings import read_settings
from easel.core.work import Decode, Evaluate, Rows, Text
from easel.models.family import Model, load
from easel.models.flux import Shifts, packed, unpacked
from easel.models.layouts.identify import identify
from easel.recipes.common import settle
from easel.sampling import samplers, sigmas_for
from tests.recipes.telling import ask, told
from tests.tiny_families import L, write_tiny_flux

close: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}


def loaded(folder: Path) -> Model:
    """Load a folder in float32."""
    return load(identify(folder), read_settings(precision="float32"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_flux(tmp_path_factory.mktemp("models") / "dev")


@pytest.fixture(scope="module")
def dev(folder: Path) -> Model:
    return loaded(folder)


@pytest.fixture(scope="module")
def schnell(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return loaded(write_tiny_flux(tmp_path_factory.mktemp("models") / "schnell", distilled=False))


@pytest.fixture(scope="module")
def pipe(folder: Path) -> Any:
    """diffusers' pipeline of the same folder."""
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5TokenizerFast

    made = FluxPipeline(
        FlowMatchEulerDiscreteScheduler.from_pretrained(folder / "scheduler"),
        AutoencoderKL.from_pretrained(folder / "vae"),
        CLIPTextModel.from_pretrained(folder / "text_encoder"),
        CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        T5EncoderModel.from_pretrained(folder / "text_encoder_2"),
        T5TokenizerFast.from_pretrained(folder / "tokenizer_2"),
        FluxTransformer2DModel.from_pretrained(folder / "transformer"),
    )
    made.set_progress_bar_config(disable=True)
    return made


@torch.inference_mode()
def test_texts_are_the_pipeline_s(dev: Model, pipe: Any) -> None:
    for words in ("a red fox", "the foxing, A FOX!", ""):
        theirs, pooled, _ = pipe.encode_prompt(words)
        (ours,) = dev.encode([Text(words)])
        assert ours.context.shape == (512, 40)
        torch.testing.assert_close(ours.context, theirs[0], **close)
        torch.testing.assert_close(ours.extra["pooled"], pooled[0], **close)


@torch.inference_mode()
def test_long_texts_take_more_tokens_and_emphasis_weighs_them(dev: Model, schnell: Model) -> None:
    plain, heavy, literal = dev.encode([Text("a fox"), Text("a (fox:1.5)"), Text("(fox:2)", Words(emphasis="None"))])
    assert not torch.allclose(plain.context[:3], heavy.context[:3])
    torch.testing.assert_close(plain.context.mean(), heavy.context.mean(), **close)
    assert literal.context.shape == (512, 40)
    assert [one.context.shape[0] for one in schnell.encode([Text("a fox"), Text("a fox " * 128)])] == [256, 512]
    assert torch.equal(dev.encode([Text("a BREAK fox")])[0].context, plain.context)


@torch.inference_mode()
def test_the_denoiser_is_diffusers_own(dev: Model, pipe: Any) -> None:
    chance = torch.Generator().manual_seed(1)
    x = torch.randn(3, 16, 8, 6, generator=chance)
    context, pooled = torch.randn(3, 20, 40, generator=chance), torch.randn(3, L, generator=chance)
    sigma, scale = torch.tensor([1.0, 0.6, 0.05], dtype=torch.float64), torch.tensor([3.5, 1.0, 9.0])
    ours = dev.predict(Rows(x, sigma, context, {"pooled": pooled, "distilled": scale}))
    output = pipe.transformer(
        hidden_states=pipe._pack_latents(x, 3, 16, 8, 6),
        timestep=sigma.float(),
        guidance=scale,
        pooled_projections=pooled,
        encoder_hidden_states=context,
        txt_ids=torch.zeros(20, 3),
        img_ids=pipe._prepare_latent_image_ids(3, 4, 3, "cpu", torch.float32),
    ).sample
    theirs = x - sigma.float()[:, None, None, None] * pipe._unpack_latents(output, 64, 48, 8)
    torch.testing.assert_close(ours, theirs, **close)


def test_patches_and_back() -> None:
    x = torch.randn(2, 16, 6, 10)
    assert torch.equal(unpacked(packed(x), 3, 5), x)


@torch.inference_mode()
def test_pictures_are_the_pipeline_s(dev: Model, pipe: Any) -> None:
    """A whole text_to_image from the same noise; no negative rows at the usual scale."""
    works, (picture,) = told(ask(width=64, height=48, guidance=Guidance(distilled=2.0)), dev)
    evaluations = [work for work in works if isinstance(work, Evaluate)]
    (decoded,) = [work.latents for work in works if isinstance(work, Decode)]
    assert [len(work.batch) for work in evaluations] == [1] * 4
    noise = evaluations[0].batch.x
    theirs = pipe(
        "a fox",
        latents=pipe._pack_latents(noise, 1, 16, 6, 8),
        num_inference_steps=4,
        guidance_scale=2.0,
        width=64,
        height=48,
        output_type="latent",
    ).images
    torch.testing.assert_close(decoded, pipe._unpack_latents(theirs, 48, 64, 8), rtol=1e-4, atol=1e-4)
    assert picture.image.size == (64, 48)


@torch.inference_mode()
def test_pixels_and_latents_are_diffusers_own(dev: Model, pipe: Any) -> None:
    latents, pixels = torch.randn(2, 16, 8, 6), torch.rand(1, 3, 32, 64)
    theirs = (pipe.vae.decode(latents / 0.3611 + 0.1159).sample / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(dev.decode(latents), theirs, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(dev.decode(latents, 32), theirs, rtol=1e-4, atol=1e-4)
    theirs = (pipe.vae.encode(pixels * 2 - 1).latent_dist.mode() - 0.1159) * 0.3611
    torch.testing.assert_close(dev.encode_images(pixels), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("width", "height"), [(256, 256), (1024, 1024), (832, 1216)])
def test_levels_lean_with_the_size_as_published(dev: Model, pipe: Any, width: int, height: int) -> None:
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    scheduler = pipe.scheduler
    mu = calculate_shift(width * height // 256)
    scheduler.set_timesteps(sigmas=[1 - step / 20 for step in range(20)], mu=mu)
    ours = sigmas_for(samplers["Euler"], 20, dev.levels_at(width, height), "Simple")
    torch.testing.assert_close(torch.tensor(ours), scheduler.sigmas, **close)
    assert Shifts().at(4096) == pytest.approx(3.158, abs=1e-3)


def test_habits_are_each_variant_s(dev: Model, schnell: Model) -> None:
    for model, steps, told_guidance in ((dev, 20, True), (schnell, 4, False)):
        settled = settle(ask(width=None, height=None, steps=None), model)
        assert (settled.width, settled.height, settled.steps, settled.scale) == (1024, 1024, steps, 1.0)
        assert (settled.sampler.name, settled.schedule) == ("Euler", "Simple")
        assert model.distilled is told_guidance
    assert schnell.levels_at(512, 2048) == schnell.levels
    assert schnell.levels.shift == 1
    works, _ = told(ask(), schnell)
    assert all("distilled" not in work.batch.extra for work in works if isinstance(work, Evaluate))


def test_edges_cannot_be_made_to_meet(dev: Model) -> None:
    with pytest.raises(Unsupported, match="edges that meet need a U-Net"), Seamless("x").on(dev):
        pass


def test_missing_parts_are_told_in_one_line(tmp_path: Path) -> None:
    folder = write_tiny_flux(tmp_path / "bare")
    rmtree(folder / "tokenizer_2")
    with pytest.raises(
        Incomplete, match=r"T5's vocabulary is not there; put spiece.model or .* `hf download google/t5"
    ):
        loaded(folder)
    identity = identify(folder)
    rmtree(folder / "text_encoder_2")
    with pytest.raises(Incomplete, match=r"has no text encoder T5; give it by --text-encoder t5xxl_fp16.safetensors"):
        load(identity, read_settings(precision="float32"))
