"""Autoencoders in each other's place: TAESD, with and without an encoder, another VAE, and half precision."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from easel.core.errors import Mismatch, Unsupported
from easel.core.work import Decode, EncodeImages
from easel.models.accelerate import Machine
from easel.models.autoencoder import Scale, load_autoencoder
from easel.models.family import Model
from easel.models.layouts.identify import identify
from easel.models.layouts.sources import source_of
from tests.tiny_families import write_deep_vae, write_vae

FULL, HALF = (Machine("cpu", dtype, dtype) for dtype in (torch.float32, torch.float16))


def write_tiny_vae(folder: Path, *, encodes: bool = True, channels: int = 4) -> Any:
    """Write a TAESD to folder/vae and return diffusers' own."""
    from diffusers import AutoencoderTiny

    torch.manual_seed(1)
    module: Any = AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4, latent_channels=channels
    ).eval()
    module.save_pretrained(folder / "vae")
    if not encodes:
        file = folder / "vae" / "diffusion_pytorch_model.safetensors"
        save_file({key: value for key, value in load_file(file).items() if not key.startswith("encoder.")}, file)
    return module


def vae_at(folder: Path, machine: Machine = FULL) -> Any:
    return load_autoencoder(source_of(identify(folder / "vae")), machine)


@torch.inference_mode()
def test_taesd_is_diffusers_own(tmp_path: Path) -> None:
    theirs, ours = write_tiny_vae(tmp_path), vae_at(tmp_path)
    latents, pixels = torch.randn(2, 4, 8, 6), torch.rand(2, 3, 32, 64)
    expected = (theirs.decode(latents).sample / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(ours.decode(latents), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(ours.decode(latents, 16), ours.decode(latents))
    torch.testing.assert_close(ours.encode_images(pixels), theirs.encode(pixels * 2 - 1).latents, rtol=1e-4, atol=1e-5)
    assert (ours.channels, ours.downscale, ours.encodes, ours.scaled(Scale(0.2)).scale) == (4, 8, True, Scale(1.0))


@torch.inference_mode()
def test_a_decoder_alone_leaves_encoding_to_the_model_s_own(tmp_path: Path, tiny: Model) -> None:
    write_tiny_vae(tmp_path, encodes=False)
    decoder = vae_at(tmp_path)
    model = tiny.replaced(vae=decoder)
    pixels, latents = torch.rand(1, 3, 32, 32), torch.randn(1, 4, 4, 4)
    assert torch.equal(model.encode_images(pixels), tiny.encode_images(pixels))
    assert torch.equal(model.decode(latents), decoder.decode(latents))
    assert set(model.parts) == {"unet", "text_encoder", "vae", "vae_encoder"}
    assert model.parts["vae_encoder"] is tiny.parts["vae"]
    with pytest.raises(Unsupported, match="only decodes"):
        decoder.encode_images(pixels)


@torch.inference_mode()
def test_models_that_differ_in_their_vae_share_the_denoiser(tmp_path: Path, tiny: Any) -> None:
    write_tiny_vae(tmp_path)
    model: Any = tiny.replaced(vae=vae_at(tmp_path))
    latents, pixels = torch.randn(1, 4, 4, 4), torch.rand(1, 3, 32, 32)
    for verb, same in (("encode", True), ("predict", True), ("encode_images", False), ("decode", False)):
        assert (model.key(verb) == tiny.key(verb)) is same
    assert Decode(model, latents).key != Decode(tiny, latents).key
    assert EncodeImages(model, pixels).key != EncodeImages(tiny, pixels).key
    assert model.unet is tiny.unet
    back = model.replaced(vae=tiny.vae)
    assert back.key("decode") == tiny.key("decode")
    assert torch.equal(back.decode(latents), tiny.decode(latents))


@torch.inference_mode()
def test_another_vae_is_read_on_the_model_s_scale(tmp_path: Path, tiny: Any) -> None:
    """A VAE's file cannot say whether it is of Stable Diffusion 1 or XL; the model can."""
    write_vae(tmp_path, scaling_factor=0.5)
    other = vae_at(tmp_path)
    model = tiny.replaced(vae=other)
    latents, pixels = torch.randn(1, 4, 4, 4), torch.rand(1, 3, 32, 32)
    assert (other.scale, model.vae.scale) == (Scale(0.5), Scale(0.18215))
    raw = replace(other, scale=Scale(1.0))
    assert torch.equal(model.decode(latents), raw.decode(latents / 0.18215))
    torch.testing.assert_close(model.encode_images(pixels), raw.encode_images(pixels) * 0.18215)
    assert other.key != model.vae.key


def test_latents_of_another_shape_are_refused(tmp_path: Path, tiny: Any) -> None:
    write_deep_vae(tmp_path)
    with pytest.raises(Mismatch, match=r"latents of 16 channels at 1/8 of the sides; tiny needs 4 at 1/8"):
        tiny.replaced(vae=vae_at(tmp_path))


@pytest.mark.parametrize(("upcast", "dtype"), [(None, torch.float32), (True, torch.float32), (False, torch.float16)])
def test_float16_only_where_the_config_takes_it_for_safe(tmp_path: Path, upcast: bool | None, dtype: Any) -> None:
    write_vae(tmp_path)
    file = tmp_path / "vae" / "config.json"
    config = json.loads(file.read_text())
    config.pop("force_upcast")
    file.write_text(json.dumps(config if upcast is None else config | {"force_upcast": upcast}))
    assert vae_at(tmp_path, HALF).module.dtype == dtype
