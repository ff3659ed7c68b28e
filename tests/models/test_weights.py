"""How a model's weights are kept, by the setting: what stays in few bits, what it loses, and which parts it spares."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from easel.core.errors import BadValue
from easel.core.settings import EIGHT_BITS, Weights, read_settings
from easel.core.work import Rows, Text
from easel.models.accelerate import Machine, machine_for
from easel.models.family import load
from easel.models.files.keeping import KEEPS
from easel.models.files.packed_layers import AskedLinear, Keeping, keeps, packed_of, unpacked_weight
from easel.models.layouts.identify import identify
from easel.models.memory.moving import weights_of
from easel.prompt.infotext import read
from easel.prompt.recall import recall
from tests.recipes.telling import ask, told
from tests.tiny import write_tiny_sd
from tests.tiny_families import write_tiny_flux


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model in float16."""
    folder = write_tiny_sd(tmp_path_factory.mktemp("halves") / "m")
    for file in folder.rglob("*.safetensors"):
        save_file({name: value.half() for name, value in load_file(file).items()}, file, {"format": "pt"})
    return folder


def loaded(folder: Path, weights: Weights) -> Any:
    return load(identify(folder), read_settings(precision="float32", weights=weights))


def kinds(part: nn.Module) -> set[str]:
    """Return how a part's layers keep their weights, "" for full numbers."""
    return {
        packed_of(layer).kind if isinstance(layer, Keeping) else ""
        for layer in part.modules()
        if isinstance(layer, Keeping) or keeps(layer)
    }


@torch.inference_mode()
def drawn(model: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return what each part makes of the same input: a text's context, a denoised latent, pixels."""
    chance = torch.Generator().manual_seed(0)
    x, context = torch.randn(2, 4, 8, 8, generator=chance), torch.randn(2, 77, 32, generator=chance)
    latent = model.predict(Rows(x, torch.tensor([3.0, 1.0], dtype=torch.float64), context))
    return model.encode([Text("a fox")])[0].context, latent, model.decode(x)


def test_the_setting_has_every_way_and_no_other() -> None:
    assert get_args(Weights) == KEEPS
    with pytest.raises(BadValue, match="setting weights is 'nf4'"):
        read_settings(weights="nf4")


def test_stored_draws_what_cast_draws(folder: Path) -> None:
    stored, full = loaded(folder, "stored"), loaded(folder, "cast")
    parts = stored.parts
    assert [kinds(parts[name]) for name in ("unet", "text_encoder", "vae")] == [{"F16"}] * 3
    assert weights_of(parts.values()) < 0.6 * weights_of(full.parts.values())
    for ours, theirs in zip(drawn(stored), drawn(full), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weights", EIGHT_BITS)
def test_eight_bits_are_the_denoiser_s_alone(folder: Path, weights: Weights) -> None:
    model, full = loaded(folder, weights), loaded(folder, "packed")
    assert kinds(model.parts["unet"]) == {weights.replace("float8", "F8").upper()}
    assert kinds(full.parts["unet"]) == {""}
    assert kinds(model.parts["vae"]) == kinds(model.parts["text_encoder"]) == {"F16"}
    (context, latent, pixels), (same_context, expected, same_pixels) = drawn(model), drawn(full)
    assert torch.equal(context, same_context) and torch.equal(pixels, same_pixels)
    strayed = float((latent - expected).norm() / expected.norm())
    assert 0 < strayed < (0.15 if weights == "float8_e4m3" else 0.3)
    assert f" weights {weights} " in model.machine.words


@torch.inference_mode()
def test_t5_is_asked_for_its_format_and_unpacks_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_tiny_flux(tmp_path / "m")
    model, full = loaded(folder, "float8_e4m3"), loaded(folder, "packed")
    layers = [layer for layer in model.t5.model.modules() if isinstance(layer, AskedLinear)]
    blocks = len(model.t5.model.encoder.block)
    assert len(layers) == blocks > 0
    counted: list[tuple[int, ...]] = []
    unpacked = type(packed_of(layers[0])).unpacked

    def counting(packed: Any, dtype: torch.dtype) -> Tensor:
        counted.append(packed.shape)
        return unpacked(packed, dtype)

    monkeypatch.setattr(type(packed_of(layers[0])), "unpacked", counting)
    ours = model.t5.encode([Text("a red fox")], model.parts)[0]
    assert counted.count(layers[0].packing[1]) == blocks
    assert layers[0].weight.is_meta and (layers[0].weight.shape, layers[0].weight.dtype) == (
        unpacked_weight(layers[0]).shape,
        torch.float32,
    )
    theirs = full.t5.encode([Text("a red fox")], full.parts)[0]
    assert 0 < float((ours - theirs).norm() / theirs.norm()) < 0.15


def test_a_card_has_autoencoders_and_clips_in_full() -> None:
    ways: dict[Weights, Weights] = {"packed": "packed", "stored": "stored", "cast": "cast", "float8_e5m2": "packed"}
    for weights, expected in ways.items():
        assert Machine("cuda", torch.bfloat16, torch.bfloat16, weights=weights).exact_weights == expected


def test_apple_s_gpus_have_no_float8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(BadValue, match="setting weights is 'float8_e4m3', allowed is packed, stored or cast here"):
        machine_for(read_settings(device="mps", weights="float8_e4m3"))


def test_infotext_tells_of_eight_bits_and_nobody_is_asked_for_them(folder: Path) -> None:
    told_of = {
        weights: told(ask(), loaded(folder, weights))[1][0].infotext for weights in ("packed", "float8_e4m3", "stored")
    }
    assert [weights for weights, text in told_of.items() if "FP8 weight: Enable," in text] == ["float8_e4m3"]
    found = recall(read(told_of["float8_e4m3"]))
    assert found.facts["FP8 weight"] == "Enable" and "FP8 weight" not in found.ignored
    assert found.fields == recall(read(told_of["packed"])).fields
