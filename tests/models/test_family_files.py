"""Single files of the later families, drawn with: every module's numbers are diffusers' and transformers' own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from easel.core.errors import Incomplete
from easel.core.settings import read_settings
from easel.models.accelerate import machine_for
from easel.models.family import load
from easel.models.layouts.identify import identify
from easel.models.layouts.lending import with_parts
from easel.models.layouts.sources import Source, source_of
from tests.layouts import flux, sd3, taesd, text, xl
from tests.ldm import Shapes, filled, vae_shapes, write_ldm
from tests.models.layouts import published as said
from tests.recipes.telling import ask, told
from tests.tiny_families import write_pieces

IN_FLOAT32 = read_settings(precision="float32")
INPAINTING = replace(xl.SMALL_BASE, build=replace(xl.SMALL_BASE.build, inpaints=True))
FILES: dict[str, Shapes] = {
    "XL": xl.xl_shapes(xl.SMALL_BASE),
    "XL inpainting": xl.xl_shapes(INPAINTING),
    "XL refiner": xl.xl_shapes(xl.SMALL_REFINER),
    "3": sd3.sd3_checkpoint(sd3.SMALL_MEDIUM),
    "3.5 medium without T5": sd3.sd3_checkpoint(sd3.SMALL_MEDIUM_35, third=False),
    "3.5 large": sd3.sd3_checkpoint(sd3.SMALL_LARGE_35),
    "Flux dev": flux.flux_checkpoint(flux.SMALL_DEV),
    "Flux schnell": flux.flux_checkpoint(flux.SMALL_SCHNELL, vae="first_stage_model."),
}
close: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}


def write(folder: Path, **files: Shapes) -> dict[str, Path]:
    """Write single files with random weights, and T5's words beside them."""
    write_pieces(folder / "tokenizers" / "t5")
    return {name: write_ldm(folder / f"{name}.safetensors", filled(shapes)) for name, shapes in files.items()}


def reference(source: Source, part: str) -> Any:
    """Return diffusers' or transformers' module of a part, filled with the file's tensors."""
    module = said.module_for(source.config(part))
    module.load_state_dict(source.tensors(part), assign=True, strict=False)
    for tower in module.modules():
        if hasattr(tower, "position_ids"):
            tower.position_ids = torch.arange(77)[None]
    return module.to(memory_format=torch.channels_last)  # which sums in another order


def outputs(part: str, module: Any, numbers: int) -> torch.Tensor:
    """Return what a module makes of something drawn at random. numbers: that XL's U-Net is told of a picture."""
    torch.manual_seed(2)
    config, two = module.config, 2
    if part.startswith("text_encoder"):
        ids = torch.randint(3, 300, (two, 77))
        return module(input_ids=ids, output_hidden_states=True).hidden_states[-2]
    if part == "vae":
        pixels = torch.rand(1, 3, 32, 32)
        return module.decode(module.encode(pixels).latent_dist.mode()).sample
    if part == "unet":
        pooled = config.projection_class_embeddings_input_dim - numbers * config.addition_time_embed_dim
        added = {"text_embeds": torch.randn(two, pooled), "time_ids": torch.rand(two, numbers)}
        x, context = torch.randn(two, config.in_channels, 8, 8), torch.randn(two, 9, config.cross_attention_dim)
        return module(x, 500, context, added_cond_kwargs=added).sample
    context, pooled = torch.randn(two, 9, config.joint_attention_dim), torch.randn(two, config.pooled_projection_dim)
    if type(module).__name__.startswith("SD3"):
        return module(torch.randn(two, 16, 8, 8), context, pooled, torch.tensor([500.0, 20.0])).sample
    guidance = torch.tensor([2.0, 4.0]) if config.guidance_embeds else None
    x, places = torch.randn(two, 6, config.in_channels), torch.rand(6, 3)
    return module(x, context, pooled, torch.tensor([0.5, 0.1]), places, torch.zeros(9, 3), guidance).sample


@pytest.mark.parametrize("name", FILES)
@torch.inference_mode()
def test_a_file_is_its_reference_modules_and_draws(tmp_path: Path, name: str) -> None:
    file = write(tmp_path, model=FILES[name])["model"]
    identity = identify(file)
    source = source_of(identity)
    model = load(identity, IN_FLOAT32)
    numbers = 5 if identity.variant == "refiner" else 6
    for part, module in model.parts.items():
        theirs = outputs(part, reference(source, part), numbers)
        torch.testing.assert_close(outputs(part, module, numbers), theirs, **close)
    _, (picture,) = told(ask(steps=2), model)
    assert picture.image.size == (64, 64)


@torch.inference_mode()
def test_flux_from_four_files_is_flux_from_one(tmp_path: Path) -> None:
    """As Forge's users keep it: transformer, autoencoder, CLIP and T5 apart, and a TAEF1 in the autoencoder's place."""
    size = flux.SMALL_DEV
    files = write(
        tmp_path,
        whole=flux.flux_checkpoint(size),
        alone=flux.flux_shapes(size),
        ae=vae_shapes(size.latent),
        clip_l=text.clip(size.text),
        t5xxl=text.t5(size.t5),
        taef1=taesd.decoder(16),
    )
    identity = identify(files["alone"])
    with pytest.raises(Incomplete, match=r"no autoencoder .VAE., no text encoder CLIP-L, no text encoder T5; give"):
        load(identity, IN_FLOAT32)
    parts = {"vae": "ae", "text_encoder": "clip_l", "text_encoder_2": "t5xxl"}
    lent = {part: source_of(identify(files[name])) for part, name in parts.items()}
    model = load(identity, IN_FLOAT32, source=with_parts(source_of(identity), lent))
    assert model.parts.keys() == load(identify(files["whole"]), IN_FLOAT32).parts.keys()
    assert (model.distilled, model.levels.shift) == (True, pytest.approx(3.158, abs=1e-3))
    _, (picture,) = told(ask(steps=2), model)
    assert picture.image.size == (64, 64)
    lent["vae"] = source_of(identify(files["taef1"]))
    small = load(identity, IN_FLOAT32, source=with_parts(source_of(identity), lent))
    assert small.decode(torch.randn(1, 16, 4, 4)).shape == (1, 3, 32, 32)


def test_xl_s_vae_is_not_in_float16(tmp_path: Path) -> None:
    """What it has between its layers overflows."""
    file = write(tmp_path, model=FILES["XL"])["model"]
    half = replace(machine_for(read_settings(precision="float16")), exact=torch.float16)
    model: Any = load(identify(file), IN_FLOAT32, machine=half)
    assert (model.vae.module.dtype, model.unet.dtype, model.text.model.dtype) == (
        torch.float32,
        torch.float16,
        torch.float16,
    )
