"""Laws that every family obeys, on tiny folders with random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from easel.adapters.networks.reading import read_network
from easel.core.errors import BadValue
from easel.core.passes import Guidance
from easel.core.settings import read_settings
from easel.core.work import Evaluate, Rows, Text
from easel.engine.loaded import LoadedNetwork
from easel.engine.runner import perform, stacked
from easel.engine.wardrobe import Wardrobe
from easel.models.accelerate import Machine, machine_for
from easel.models.family import FAMILIES, Model, load
from easel.models.layouts.identify import identify
from easel.recipes.common import settle
from tests.recipes.telling import ask, told
from tests.tiny import write_tiny_sd
from tests.tiny_families import write_tiny_flux, write_tiny_sd3, write_tiny_sdxl

KINDS: dict[str, Callable[[Path], Path]] = {
    "sd": write_tiny_sd,
    "sdxl": write_tiny_sdxl,
    "sdxl inpainting": partial(write_tiny_sdxl, inpaint=True),
    "sdxl refiner": partial(write_tiny_sdxl, refiner=True),
    "sd3": write_tiny_sd3,
    "sd3 later, without T5": partial(write_tiny_sd3, t5=False, later=True),
    "flux dev": write_tiny_flux,
    "flux schnell": partial(write_tiny_flux, distilled=False),
}
TEXTS = [Text("a fox"), Text("", away=True), Text("a (red:1.4) fox"), Text("a fox, " * 30), Text("ugly", away=True)]


@pytest.fixture(scope="module", params=list(KINDS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return KINDS[request.param](tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    settings = read_settings(precision="float32")
    return load(identify(folder), settings, machine=replace(machine_for(settings), wardrobe=Wardrobe()))


def evaluations(model: Model, **asked: Any) -> list[Evaluate]:
    """The evaluations of a request."""
    return [work for work in told(ask(**asked), model)[0] if isinstance(work, Evaluate)]


def part(batch: Rows, row: int) -> Rows:
    """One row of a batch."""
    one = slice(row, row + 1)
    return Rows(batch.x[one], batch.sigma[one], batch.context[one], {k: v[one] for k, v in batch.extra.items()})


def test_every_family_is_here() -> None:
    assert {kind.split()[0] for kind in KINDS} == set(FAMILIES)


@torch.inference_mode()
def test_each_text_is_encoded_as_if_alone(model: Model) -> None:
    together = model.encode(TEXTS)
    for text, found in zip(TEXTS, together, strict=True):
        (alone,) = model.encode([text])
        assert found.context.dtype == torch.float32
        torch.testing.assert_close(found.context, alone.context, rtol=1e-4, atol=1e-5)
        assert found.extra.keys() == alone.extra.keys()
        for name, value in found.extra.items():
            torch.testing.assert_close(value, alone.extra[name], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_unlike_requests_share_a_forward_and_are_as_alone(model: Model) -> None:
    """Rows of other scales, steps and texts have one key, and each is what it would be by itself."""
    works = [
        evaluations(model, guidance=Guidance(scale=7, distilled=2), steps=3)[0],
        evaluations(model, prompt="ugly", guidance=Guidance(scale=1, distilled=9), steps=5, seed=8)[2],
    ]
    assert works[0].key == works[1].key
    batch = stacked([work.batch for work in works])
    together = torch.cat(perform(works))
    assert together.shape == batch.x.shape == (3, model.latent.channels, 8, 8)
    for row in range(3):
        torch.testing.assert_close(model.predict(part(batch, row))[0], together[row], rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_shapes(model: Model) -> None:
    latents = torch.randn(2, model.latent.channels, 4, 6)
    pixels = model.decode(latents)
    assert (pixels.shape, pixels.dtype) == ((2, 3, 32, 48), torch.float32)
    assert model.encode_images(pixels).shape == latents.shape
    torch.testing.assert_close(model.decode(latents, 16), pixels, rtol=1e-4, atol=1e-4)


def test_its_parts_and_keys(model: Any) -> None:
    assert {"unet", "transformer"} & set(model.parts)
    assert "vae" in model.parts
    other = replace(model)
    for verb in ("encode", "predict", "encode_images", "decode"):
        assert model.key(verb) == other.key(verb)
        hash(model.key(verb))
    assert len({model.key(verb) for verb in ("encode", "predict", "decode")}) == 3
    assert len(model.hash) == 10


def network_for(model: Model, file: Path) -> LoadedNetwork:
    """A LoRA in diffusers' names for one layer of every text encoder and of the denoiser."""
    chance = torch.Generator().manual_seed(4)
    tensors: dict[str, torch.Tensor] = {}
    for part, module in model.parts.items():
        layers = [(name, layer) for name, layer in module.named_modules() if name.endswith((".to_q", ".q_proj", ".q"))]
        for name, layer in layers[:1]:
            if not part.startswith("vae"):
                down, up = (2, layer.in_features), (layer.out_features, 2)
                tensors[f"{part}.{name}.lora_A.weight"] = torch.randn(down, generator=chance)
                tensors[f"{part}.{name}.lora_B.weight"] = torch.randn(up, generator=chance)
    save_file(tensors, file)
    return LoadedNetwork("style", read_network(file))


@torch.inference_mode()
def test_networks_are_data_of_a_row_and_of_a_text(model: Any, tmp_path: Path) -> None:
    """With one and without in one forward is each alone, in every text encoder and in the denoiser."""
    worn = ((network_for(model, tmp_path / "style.safetensors"), 0.8),)
    plain, dressed = Text("a fox"), Text("a fox", networks=worn)
    (bare,), (alone,), pair = model.encode([plain]), model.encode([dressed]), model.encode([plain, dressed])
    torch.testing.assert_close(pair[0].context, bare.context, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(pair[1].context, alone.context, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(bare.context, alone.context, atol=1e-3)
    batch = evaluations(model, guidance=Guidance(scale=1))[0].batch
    without, with_it = model.predict(batch), model.predict(replace(batch, networks=(worn,), left=(4,)))
    both = model.predict(replace(stacked([batch, batch]), networks=((), worn), left=(4, 4)))
    torch.testing.assert_close(both, torch.cat([without, with_it]), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(without, with_it, atol=1e-2)


def test_sizes_are_whole_cells(model: Model) -> None:
    with pytest.raises(BadValue, match=f"multiple of {model.latent.multiple}"):
        settle(ask(width=64 + model.latent.multiple // 2), model)


def test_a_whole_picture(model: Model) -> None:
    _, (picture,) = told(ask(width=64, height=48, preview_every=2), model)
    assert picture.image.size == (64, 48)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.inference_mode()
def test_half_precision_is_near(model: Model, folder: Path, dtype: torch.dtype) -> None:
    """As on a card, where text encoders and autoencoders are in half precision too."""
    half = load(identify(folder), read_settings(), machine=Machine("cpu", dtype, dtype))
    texts = [one.encode([Text("a fox")])[0].context for one in (half, model)]
    assert float((texts[0] - texts[1]).square().mean().sqrt()) < 0.03
    batch = evaluations(model)[0].batch
    found = [one.predict(batch) - batch.x for one in (half, model)]
    assert float((found[0] - found[1]).std() / found[1].std()) < 0.05
    _, (picture,) = told(ask(steps=2), half)
    assert picture.image.size == (64, 64)
