"""From a request's pictures to what rows read: weights, averages, regions, readers, and what is refused."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from easel.adapters.pictures.adapter import ImagePromptAdapter, wanted_tower
from easel.adapters.pictures.attention import Led, added, grouped
from easel.adapters.pictures.loading import load_image_prompt
from easel.core.errors import BadValue, Mismatch, Unsupported
from easel.core.work import Wanted
from easel.models.accelerate import Machine
from easel.models.family import load
from easel.models.layouts.identify import identify
from easel.models.memory.moving import size_of, tensors_of
from easel.models.memory.residency import Residency
from easel.models.vision import Tower, load_tower
from tests.adapters.pictures.making import (
    FACE,
    asked,
    attention,
    embedding,
    image_prompt,
    picture,
    png,
    projection,
    write_image_prompt,
)
from tests.counting import CountingDevice, Watch, homes_of
from tests.tiny_families import write_tiny_sd3

CELLS = (8, 6)
ROOM = 110_000  # bytes, less than a tower takes and enough for its largest layers


def adapter_of(kind: str, model: Any, folder: Path) -> ImagePromptAdapter:
    return load_image_prompt(
        write_image_prompt(folder / "a.safetensors", image_prompt(kind, model.unet)), model.machine
    )


@pytest.fixture
def plain(model: Any, tmp_path: Path) -> ImagePromptAdapter:
    return adapter_of("plain", model, tmp_path)


def reads(led: Led, seed: int = 0) -> Tensor:
    """What a random query gets of the first cross-attention."""
    query = torch.randn(1, 48, led.keys[0].shape[1], generator=torch.Generator().manual_seed(seed))
    return added(torch.zeros_like(query), query, 4, 0, grouped([(led, 1.0)], query))


@torch.no_grad()
def test_weights_are_shares_of_what_each_adds(model: Any, tower: Tower, plain: ImagePromptAdapter) -> None:
    """Beside each other what comes is linear in the weights; all weights w are w times none."""
    files = picture(1), picture(2)

    def led(*weights: float) -> Tensor:
        return reads(plain.prepare(model, asked(*files, weights=weights), tower, CELLS).positive)

    torch.testing.assert_close(led(1, 0) + led(0, 1), led(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(led(0.5, 1.5), 0.5 * led(1, 0) + 1.5 * led(0, 1), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(led(1, 0), led(0, 1), atol=1e-2)
    negative = plain.prepare(model, asked(*files, weights=(0.5, 1.5)), tower, CELLS).negative
    torch.testing.assert_close(reads(negative), reads(plain.prepare(model, asked(), tower, CELLS).negative))


@torch.no_grad()
def test_averages(model: Any, tower: Tower, plain: ImagePromptAdapter) -> None:
    """The mean of tokens, as many as one picture has; of equal pictures it is one of them; one counts by its weight."""
    one, two = (plain.prepare(model, asked(picture(seed)), tower, CELLS).positive for seed in (1, 2))
    both = plain.prepare(model, asked(picture(1), picture(2), combine="average"), tower, CELLS).positive
    assert both.tokens == one.tokens == 4
    torch.testing.assert_close(both.keys[0], (one.keys[0] + two.keys[0]) / 2, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(both.values[0], (one.values[0] + two.values[0]) / 2, rtol=1e-4, atol=1e-5)
    leaning = plain.prepare(model, asked(picture(1), picture(2), combine="average", weights=(1, 0)), tower, CELLS)
    torch.testing.assert_close(leaning.positive.keys[0], one.keys[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(leaning.positive.values[0], one.values[0] / 2, rtol=1e-4, atol=1e-5)
    beside = plain.prepare(model, asked(picture(1), picture(2)), tower, CELLS).positive
    assert beside.tokens == 8


def test_some_picture_must_count(model: Any, tower: Tower, plain: ImagePromptAdapter) -> None:
    with pytest.raises(BadValue, match=r"image_prompts\.weights is .* one above 0"):
        plain.prepare(model, asked(picture(), weights=(0,)), tower, CELLS)


@torch.no_grad()
def test_a_region_is_a_share_of_each_place(model: Any, tower: Tower, plain: ImagePromptAdapter) -> None:
    """White is everywhere, black is nowhere, half is half; sizes are those of a U-Net, halved and rounded up."""
    whole = plain.prepare(model, asked(), tower, (8, 6)).positive
    mask = Image.new("L", (30, 40), 0)
    mask.paste(255, (0, 0, 15, 40))
    left = plain.prepare(model, asked(region=png(mask)), tower, (8, 6)).positive
    assert left.region.keys() == {48, 12, 4, 1}
    expected = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]).repeat(8)
    torch.testing.assert_close(left.region[48], expected)
    torch.testing.assert_close(left.region[12], torch.tensor([1.0, 0.5, 0.0]).repeat(4))
    torch.testing.assert_close(reads(left), reads(whole) * expected[:, None], rtol=1e-4, atol=1e-5)
    for level, share in ((255, 1.0), (0, 0.0), (51, 0.2)):
        led = plain.prepare(model, asked(region=png(Image.new("L", (9, 9), level))), tower, (8, 6))
        torch.testing.assert_close(reads(led.positive), share * reads(whole), rtol=1e-4, atol=1e-5)
        assert led.negative.region.keys() == led.positive.region.keys()


@torch.no_grad()
def test_rows_with_and_without_a_region_share_a_product(model: Any, tower: Tower, plain: ImagePromptAdapter) -> None:
    mask = png(Image.new("L", (9, 9), 51))
    whole, part = (plain.prepare(model, asked(**more), tower, (8, 6)).positive for more in ({}, {"region": mask}))
    query = torch.randn(1, 48, whole.keys[0].shape[1]).expand(3, -1, -1)
    words = torch.zeros_like(query).contiguous()
    groups = grouped([(whole, 1.0), None, (part, 0.5)], query)
    assert len(groups) == 1
    found = added(words, query, 4, 0, groups)
    assert not bool(found[1].any())
    torch.testing.assert_close(found[2], 0.1 * found[0], rtol=1e-4, atol=1e-5)


def test_who_reads_pictures(model: Any, tower: Tower, plain: ImagePromptAdapter, tmp_path: Path) -> None:
    wanted = wanted_tower(plain, model, asked())
    assert wanted == Wanted("clip_vision", "", (("reads", "projection"), ("width", "24"), ("model", model.name)))
    assert wanted_tower(plain, model, asked(reader="ViT-H")) == Wanted("clip_vision", "ViT-H")
    face = adapter_of("face", model, tmp_path)
    assert wanted_tower(face, model, asked()) is None
    other = replace(tower, file=replace(tower.file, config={**tower.file.config, "projection_dim": 25}))
    with pytest.raises(Mismatch, match=r"gives projection 24 wide; .* gives 25"):
        plain.prepare(model, asked(), other, CELLS)
    with pytest.raises(Mismatch, match="none was given"):
        plain.prepare(model, asked(), None, CELLS)


@torch.no_grad()
def test_transparent_pictures_lie_on_white(model: Any, tower: Tower, plain: ImagePromptAdapter) -> None:
    clear, white = png(Image.new("RGBA", (32, 32), (0, 0, 0, 0))), png(Image.new("RGB", (32, 32), "white"))
    one, other = (plain.prepare(model, asked(file), tower, CELLS).positive for file in (clear, white))
    assert torch.equal(one.keys[0], other.keys[0])


def test_pictures_that_are_none(model: Any, tower: Tower, plain: ImagePromptAdapter, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"image_prompts\.images"):
        plain.prepare(model, asked(b"no picture"), tower, CELLS)
    with pytest.raises(BadValue, match=r"image_prompts\.region"):
        plain.prepare(model, asked(region=b"no picture"), tower, CELLS)
    with pytest.raises(BadValue, match="pictures for this adapter"):
        plain.prepare(model, asked(embedding()), tower, CELLS)
    with pytest.raises(BadValue, match="pictures for this adapter"):
        adapter_of("face plus", model, tmp_path).prepare(model, asked(embedding()), tower, CELLS)


def test_embeddings_that_are_none(model: Any, tmp_path: Path) -> None:
    face = adapter_of("face", model, tmp_path)
    short, flat = io.BytesIO(), io.BytesIO()
    numpy.save(short, numpy.ones(FACE - 1, numpy.float32))
    numpy.save(flat, numpy.ones((2, FACE), numpy.float32))
    for data, told in ((short, f"{FACE} numbers of a face"), (flat, "one face's embedding")):
        with pytest.raises(BadValue, match=told):
            face.prepare(model, asked(data.getvalue()), None, CELLS)
    with pytest.raises(BadValue, match=r"whole \.npy"):
        face.prepare(model, asked(short.getvalue()[:40]), None, CELLS)


def test_faces_need_insightface(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package one line says what to install, and what to give instead."""
    import sys

    monkeypatch.setitem(sys.modules, "insightface", None)
    face = adapter_of("face", model, tmp_path)
    with pytest.raises(Unsupported, match=r"pip install insightface.*\.npy"):
        face.prepare(model, asked(picture()), None, CELLS)


@torch.no_grad()
def test_embeddings_of_unnormed_files_stay_as_they_are(model: Any, tmp_path: Path) -> None:
    """Portraits of XL are published both ways; the file's name tells."""
    nested = image_prompt("face", model.unet)
    name = "ip-adapter-faceid-portrait_sdxl_unnorm.bin"
    raw = load_image_prompt(write_image_prompt(tmp_path / name, nested), model.machine)
    numbers = torch.from_numpy(numpy.load(io.BytesIO(embedding(3))))[None]
    for adapter, given in ((raw, numbers), (adapter_of("face", model, tmp_path), F.normalize(numbers))):
        led = adapter.prepare(model, asked(embedding(3)), None, CELLS).positive
        expected = adapter.led(adapter.projection.tokens(None, given), (1.0,), {})
        torch.testing.assert_close(led.values[0], expected.values[0], rtol=1e-5, atol=1e-6)


def test_models_that_it_is_not_made_for(model: Any, tower: Tower, tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = {"image_proj": projection("plain", 20), "ip_adapter": attention(model.unet)}
    wide = {name: torch.randn(len(one), 20) for name, one in tensors["ip_adapter"].items()}
    other = load_image_prompt(write_image_prompt(tmp_path / "b.bin", tensors | {"ip_adapter": wide}), model.machine)
    with pytest.raises(Mismatch, match=r"b\.bin: is an IP-Adapter for a model that reads text 20 wide .* has \d"):
        other.prepare(model, asked(), tower, CELLS)
    flat = image_prompt("plain", model.unet)
    flat["ip_adapter"]["1.to_k_ip.weight"] = flat["ip_adapter"]["1.to_k_ip.weight"][:-4]
    other = load_image_prompt(write_image_prompt(tmp_path / "c.bin", flat), model.machine)
    with pytest.raises(Mismatch, match=r"'ip_adapter\.1\.to_k_ip\.weight' is .* needs"):
        wanted_tower(other, model, asked())
    sd3 = load(identify(write_tiny_sd3(tmp_path / "sd3", t5=False)), settings_of(model))
    with pytest.raises(Mismatch, match="has no U-Net"):
        wanted_tower(other, sd3, asked())


def settings_of(model: Any) -> Any:
    from easel.core.settings import read_settings

    return read_settings(precision="float32")


@pytest.mark.parametrize("kind", ["plain", "plus", "full", "face plus"])
@torch.no_grad()
def test_readers_and_projections_come_block_by_block(model: Any, tower: Tower, tmp_path: Path, kind: str) -> None:
    """On a device that has no room for them whole they make the same, and read no weight that is not there."""
    file = write_image_prompt(tmp_path / "a.safetensors", image_prompt(kind, model.unet))
    reads = "projection" if kind == "plain" else "states"
    outcomes: list[Tensor] = []
    for residency in (None, Residency(CountingDevice(ROOM), ROOM)):
        machine = Machine("cpu", torch.float32, torch.float32, residency)
        adapter, reader = load_image_prompt(file, machine), load_tower(tower.file.path, machine)
        faces = torch.ones(1, FACE) if adapter.file.made.face else None
        homes = homes_of(reader.model, adapter.projection.module) if residency else set[int]()
        assert size_of(tensors_of(reader.model)) > ROOM
        pixels = reader.pixels([Image.open(io.BytesIO(picture(1)))])
        with Watch(homes):
            outcomes.append(adapter.projection.tokens(reader.read(pixels, reads), faces))
    torch.testing.assert_close(*outcomes)
