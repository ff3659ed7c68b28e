"""Every published single file, at full size: configs are the published ones, every name is placed or told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from easel.models.layouts.identify import identify
from easel.models.layouts.naming import published
from easel.models.layouts.pieces import taken_apart
from easel.models.layouts.single import Contents, contents_of
from easel.models.layouts.sources import made
from tests.layouts import flux, sd3, taesd, text, xl
from tests.layouts.sparse import write_sparse
from tests.layouts.text import within
from tests.ldm import FULL_1, FULL_2, Shapes, checkpoint_shapes, unet_shapes, vae_shapes
from tests.models.layouts import peers
from tests.models.layouts import published as said

INPAINTING = replace(xl.FULL_BASE, build=replace(xl.FULL_BASE.build, inpaints=True))
AE = vae_shapes(flux.DEV.latent)
FILES: dict[str, tuple[Shapes, str]] = {
    "1.x": (checkpoint_shapes(FULL_1), "sd 1.x"),
    "2.x": (checkpoint_shapes(FULL_2), "sd 2.x"),
    "2.x inpainting": (checkpoint_shapes(replace(FULL_2, inpaints=True)), "sd 2.x inpainting"),
    "XL": (xl.xl_shapes(xl.FULL_BASE), "sdxl base"),
    "XL inpainting": (xl.xl_shapes(INPAINTING), "sdxl base inpainting"),
    "XL refiner": (xl.xl_shapes(xl.FULL_REFINER), "sdxl refiner"),
    "3": (sd3.sd3_checkpoint(sd3.MEDIUM), "sd3 3"),
    "3 without T5": (sd3.sd3_checkpoint(sd3.MEDIUM, third=False), "sd3 3"),
    "3.5 medium": (sd3.sd3_checkpoint(sd3.MEDIUM_35, encoders=False), "sd3 3.5 medium"),
    "3.5 large": (sd3.sd3_checkpoint(sd3.LARGE_35, encoders=False), "sd3 3.5 large"),
    "dev": (flux.flux_shapes(flux.DEV), "transformer alone, flux dev"),
    "schnell": (within("model.diffusion_model.", flux.flux_shapes(flux.SCHNELL)), "transformer alone, flux schnell"),
    "dev, everything": (flux.flux_checkpoint(flux.DEV), "flux dev"),
    "schnell, everything": (flux.flux_checkpoint(flux.SCHNELL, vae="first_stage_model."), "flux schnell"),
    "U-Net of 1.x": (unet_shapes(FULL_1), "U-Net alone, sd 1.x"),
    "U-Net of XL": (within("model.diffusion_model.", unet_shapes(xl.FULL_BASE.build)), "U-Net alone, sdxl base"),
    "VAE": (vae_shapes(FULL_1), "vae, 4 channels"),
    "VAE with its beginning": (within("first_stage_model.", vae_shapes(FULL_1)), "vae, 4 channels"),
    "ae": (AE, "vae, 16 channels"),
    "clip_l": (text.clip(text.CLIP_L), "text encoder, CLIP-L"),
    "clip_g": (text.clip(text.CLIP_G), "text encoder, CLIP-G"),
    "OpenCLIP G": (text.open_clip(text.CLIP_G), "text encoder, CLIP-G"),
    "t5xxl": (text.t5(text.T5_XXL), "text encoder, T5"),
    "taesd decoder": (taesd.decoder(), "vae, 4 channels, tiny"),
    "taef1 decoder": (taesd.decoder(16), "vae, 16 channels, tiny"),
    "taesd encoder": (taesd.encoder(), "vae, 4 channels, tiny"),
    "taesd": (taesd.encoder(stem="taesd_encoder.") | taesd.decoder(stem="taesd_decoder."), "vae, 4 channels, tiny"),
}
PUBLISHED: dict[str, dict[str, Mapping[str, Any]]] = {
    "1.x": {"unet": peers.unet_config(FULL_1), "vae": said.VAE | said.VAES["sd"], "text_encoder": said.CLIP_L},
    "2.x": {"unet": peers.unet_config(FULL_2), "vae": said.VAE | said.VAES["sd"]},
    "XL": {
        "unet": said.UNET | said.UNETS["base"],
        "vae": said.VAE | said.VAES["sdxl"],
        "text_encoder": said.CLIP_L,
        "text_encoder_2": said.CLIP_G,
    },
    "XL inpainting": {"unet": said.UNET | said.UNETS["base"] | {"in_channels": 9}},
    "XL refiner": {"unet": said.UNET | said.UNETS["refiner"], "text_encoder_2": said.CLIP_G},
    "3": {
        "transformer": said.TRANSFORMERS["3"],
        "vae": said.VAE | said.VAES["sd3"],
        "text_encoder": said.CLIP_L,
        "text_encoder_2": said.CLIP_G,
        "text_encoder_3": said.T5,
    },
    "3.5 medium": {"transformer": said.TRANSFORMERS["3.5 medium"]},
    "3.5 large": {"transformer": said.TRANSFORMERS["3.5 large"]},
    "dev": {"transformer": said.TRANSFORMERS["dev"]},
    "dev, everything": {
        "transformer": said.TRANSFORMERS["dev"],
        "vae": said.VAE | said.VAES["flux"],
        "text_encoder": said.CLIP_L,
        "text_encoder_2": said.T5,
    },
    "schnell": {"transformer": said.TRANSFORMERS["schnell"]},
    "ae": {"vae": said.VAE | said.VAES["flux"]},
    "clip_l": {"text_encoder": said.CLIP_L},
    "t5xxl": {"text_encoder_2": said.T5},
}


def contents(tmp_path: Path, name: str) -> Contents:
    return contents_of(write_sparse(tmp_path / f"{name}.safetensors", FILES[name][0]))


@pytest.mark.parametrize("name", FILES)
def test_it_is_told_for_what_it_is(tmp_path: Path, name: str) -> None:
    file = write_sparse(tmp_path / f"{name}.safetensors", FILES[name][0])
    identity = identify(file)
    assert identity.words == FILES[name][1]
    assert "not known" not in dict(identity.unused)
    assert identity.dtype == "float16"
    assert identity.family in identity.fits


@pytest.mark.parametrize("name", PUBLISHED)
def test_configs_are_the_published_ones(tmp_path: Path, name: str) -> None:
    found = contents(tmp_path, name)
    for part, config in PUBLISHED[name].items():
        ours = found.part(part).config
        assert {key: ours[key] for key in config} == dict(config)


def given(found: Contents, part: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes that a file gives a part's module, by the module's names."""
    shapes: dict[str, tuple[int, ...]] = {}
    for key, place in found.part(part).places.items():
        weight = torch.empty(found.listing.tensors[key].shape, device="meta")
        for name, piece in taken_apart(place, weight):
            assert name not in shapes
            shapes[name] = tuple(piece.shape)
    return shapes | {name: tuple(tensor.shape) for name, tensor in made(found.part(part)).items()}


@pytest.mark.parametrize("name", FILES)
def test_every_tensor_has_its_place_in_the_published_modules(tmp_path: Path, name: str) -> None:
    """Names and shapes fill diffusers' and transformers' modules exactly; of a TAESD one side may go without."""
    found = contents(tmp_path, name)
    for part in found.parts:
        ours, theirs = given(found, part), said.wanted(said.module_for(found.part(part).config))
        sides = {key.partition(".")[0] for key in ours}
        if found.part(part).config.get("_class_name") == "AutoencoderTiny":
            theirs = {key: shape for key, shape in theirs.items() if key.partition(".")[0] in sides}
        assert ours == theirs, part


@pytest.mark.parametrize("name", FILES)
def test_names_go_both_ways(tmp_path: Path, name: str) -> None:
    """From the module's names back to the file's, with every tensor of the file that a module reads."""
    found = contents(tmp_path, name)
    for part in found.parts:
        taken = found.part(part)
        back = published(taken.stand.layout.names(taken.config), given(found, part))
        theirs = {key.removeprefix(taken.stand.prefix): place for key, place in taken.places.items()}
        extra = {"text_projection.weight"} if taken.role.unprojected else set()
        assert {key: place for key, place in back.items() if key not in extra} == theirs
