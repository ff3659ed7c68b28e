"""Image prompts against diffusers' own: the same file in both, one evaluation of a U-Net each."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from easel.adapters.pictures.adapter import ImagePromptAdapter, Prepared
from easel.adapters.pictures.loading import load_image_prompt
from easel.core.work import Act, Rows
from easel.models.vision import Tower
from tests.adapters.pictures.making import (
    FACE,
    PLACES,
    VISION,
    asked,
    attentions_of,
    embedding,
    image_prompt,
    picture,
    write_image_prompt,
)


def inputs(model: Any) -> dict[str, Any]:
    """What a U-Net reads of two rows, random."""
    chance = torch.Generator().manual_seed(3)
    found: dict[str, Any] = {
        "sample": torch.randn(2, 4, 8, 6, generator=chance),
        "timestep": torch.tensor([400.0, 400.0]),
        "encoder_hidden_states": torch.randn(2, 7, model.unet.config.cross_attention_dim, generator=chance),
        "added_cond_kwargs": {},
    }
    if model.unet.config.addition_embed_type == "text_time":
        text = model.unet.add_embedding.linear_1.in_features - 6 * model.unet.config.addition_time_embed_dim
        found["added_cond_kwargs"] = {
            "text_embeds": torch.randn(2, text, generator=chance),
            "time_ids": torch.full((2, 6), 64.0),
        }
    return found


def ours(model: Any, adapter: ImagePromptAdapter, prepared: Prepared, strength: float) -> Tensor:
    """Two rows, one led away from nothing and one led to pictures, by our adapter."""
    given = inputs(model)
    rows = Rows(given["sample"], torch.ones(2), given["encoder_hidden_states"])
    acts = [Act(adapter, prepared.negative, strength), Act(adapter, prepared.positive, strength)]
    with adapter.acting(model, rows, acts) as told:
        assert not told
        return model.unet(**given, return_dict=False)[0]


def theirs(model: Any, nested: Any, embeds: Tensor, strength: float, **told: Any) -> Tensor:
    """The same by diffusers. embeds: (2, pictures, ...), of no picture and of pictures; told: to its projection."""
    unet: Any = UNet2DConditionModel.from_config(model.unet.config)
    unet.eval().load_state_dict(model.unet.state_dict())
    inner = nested["ip_adapter"]
    for number, (_, one) in enumerate(attentions_of(unet)):
        for letter, layer in {"q": one.to_q, "k": one.to_k, "v": one.to_v, "out": one.to_out[0]}.items():
            if f"{number}.to_{letter}_lora.up.weight" in inner:
                up, down = (inner[f"{number}.to_{letter}_lora.{half}.weight"] for half in ("up", "down"))
                layer.weight.data += up @ down
    unet._load_ip_adapter_weights([nested])
    for processor in unet.attn_processors.values():
        if hasattr(processor, "scale"):
            processor.scale = [strength]
    projection = unet.encoder_hid_proj.image_projection_layers[0]
    for name, value in told.items():
        setattr(projection, name, value)
    given = inputs(model)
    given["added_cond_kwargs"] = {**given["added_cond_kwargs"], "image_embeds": [embeds]}
    return unet(**given, return_dict=False)[0]


def embeds_of(kind: str, tower: Tower, pictures: Sequence[bytes]) -> Tensor:
    """What diffusers' pipelines give of pictures: (2, pictures, ...), of no picture first."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor: Any = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    images = [Image.open(io.BytesIO(data)) for data in pictures]
    pixels = processor(images, return_tensors="pt").pixel_values
    if kind == "plain":
        found: Any = tower.model(pixels).image_embeds
        return torch.stack([torch.zeros_like(found), found])
    model: Any = tower.model
    seen = [model(one, output_hidden_states=True).hidden_states[-2] for one in (torch.zeros_like(pixels), pixels)]
    return torch.stack(seen)


def check(one: Tensor, other: Tensor, model: Any) -> None:
    """Equal but for rounding, and led at all."""
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert bool(((one - model.unet(**inputs(model), return_dict=False)[0]).abs().amax((1, 2, 3)) > 1e-2).all())


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("kind", ["plain", "plus", "full"])
@torch.no_grad()
def test_pictures(model: Any, tower: Tower, tmp_path: Path, kind: str, count: int) -> None:
    """From the bytes of pictures of any shape to the U-Net's output; several are read beside each other."""
    nested = image_prompt(kind, model.unet)
    adapter = load_image_prompt(write_image_prompt(tmp_path / "a.safetensors", nested), model.machine)
    files = [picture(seed, (40 + 9 * seed, 35)) for seed in range(count)]
    prepared = adapter.prepare(model, asked(*files), tower, (8, 6))
    check(ours(model, adapter, prepared, 0.7), theirs(model, nested, embeds_of(kind, tower, files), 0.7), model)


@pytest.mark.parametrize("lora", [False, True])
@torch.no_grad()
def test_faces(model: Any, tmp_path: Path, lora: bool) -> None:
    """FaceID, with its LoRA as h94's pickles have it and without; embeddings are brought to length 1."""
    nested = image_prompt("face", model.unet, lora=lora)
    adapter = load_image_prompt(write_image_prompt(tmp_path / "a.bin", nested), model.machine)
    files = [embedding(seed) for seed in (1, 2)]
    prepared = adapter.prepare(model, asked(*files), None, (8, 6))
    numbers = torch.stack([F.normalize(torch.from_numpy(numpy.load(io.BytesIO(data))), dim=0) for data in files])
    embeds = torch.stack([torch.zeros_like(numbers), numbers])
    check(ours(model, adapter, prepared, 0.6), theirs(model, nested, embeds, 0.6), model)


@pytest.mark.parametrize("name", ["ip-adapter-faceid-plus_sd15", "ip-adapter-faceid-plusv2_sd15"])
@torch.no_grad()
def test_faces_plus(model: Any, tmp_path: Path, name: str) -> None:
    """A face's tokens and how it looks; in version 2, which the file's name tells, they are added to each other."""
    nested = image_prompt("face plus", model.unet)
    adapter = load_image_prompt(write_image_prompt(tmp_path / f"{name}.safetensors", nested), model.machine)
    chance = torch.Generator().manual_seed(1)
    seen, nothing = torch.randn(2, 1, PLACES, VISION, generator=chance)
    faces = torch.randn(1, FACE, generator=chance)
    tokens = (adapter.projection.tokens(seen, faces), adapter.projection.tokens(nothing, 0 * faces))
    prepared = Prepared(*(adapter.led(one, (1.0,), {}) for one in tokens))
    told = {"clip_embeds": torch.stack([nothing, seen]), "shortcut": "v2" in name}
    expected = theirs(model, nested, torch.stack([0 * faces, faces]), 0.8, **told)
    check(ours(model, adapter, prepared, 0.8), expected, model)
