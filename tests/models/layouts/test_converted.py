"""Single files of every family, their tensors: where diffusers' own conversion puts them, bit for bit, and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders import single_file_utils as theirs
from torch import Tensor

from easel.models.layouts.identify import identify
from easel.models.layouts.naming import published
from easel.models.layouts.pieces import put_together
from easel.models.layouts.single import contents_of
from easel.models.layouts.sources import SingleFile, Source, source_of
from tests.layouts import flux, sd3, taesd, text, xl
from tests.ldm import SMALL_1, Shapes, checkpoint_shapes, filled, vae_shapes, write_ldm
from tests.models.layouts import published as said

Tensors = dict[str, Tensor]
CUT = 2  # columns that are left of a weight whose rows are of full size


def cut(shapes: Shapes) -> Shapes:
    """Return shapes with few columns: rows are what conversion moves."""
    return {name: (shape[0], CUT) if len(shape) == 2 else shape for name, shape in shapes.items()}


def full(source: Source, part: str) -> Tensors:
    """Return a part's tensors, none of which is packed."""
    return {name: weight for name, weight in source.tensors(part).items() if isinstance(weight, Tensor)}


def written(tmp_path: Path, shapes: Shapes) -> tuple[Source, Tensors]:
    tensors = filled(shapes)
    return source_of(identify(write_ldm(tmp_path / "model.safetensors", tensors))), tensors


def assert_same(ours: Mapping[str, Any], other: Mapping[str, Tensor]) -> None:
    assert ours.keys() == other.keys()
    assert [name for name, tensor in other.items() if not torch.equal(ours[name], tensor)] == []


def assert_unet_and_vae(source: Source, tensors: Tensors) -> None:
    for part, convert in (("unet", theirs.convert_ldm_unet_checkpoint), ("vae", theirs.convert_ldm_vae_checkpoint)):
        module = said.module_for(source.config(part))
        assert_same(source.tensors(part), convert(dict(tensors), module.config))


def open_clip(source: Source, part: str, tensors: Tensors, prefix: str) -> Tensors:
    module = said.module_for(source.config(part))
    found = theirs.convert_open_clip_checkpoint(module, dict(tensors), prefix=prefix)
    return {key: value for key, value in found.items() if key in module.state_dict()}


def test_xl_is_put_where_diffusers_puts_it(tmp_path: Path) -> None:
    source, tensors = written(tmp_path, xl.xl_shapes(xl.SMALL_BASE))
    assert (source.family, source.variant) == ("sdxl", "base")
    assert_unet_and_vae(source, tensors)
    module = said.module_for(source.config("text_encoder"))
    first = theirs.convert_ldm_clip_checkpoint(dict(tensors))
    assert_same(source.tensors("text_encoder"), said.text_model(module, first))
    second = open_clip(source, "text_encoder_2", tensors, "conditioner.embedders.1.model.")
    assert_same(source.tensors("text_encoder_2"), second)


def test_the_refiner_is_put_where_diffusers_puts_it(tmp_path: Path) -> None:
    source, tensors = written(tmp_path, xl.xl_shapes(xl.SMALL_REFINER))
    assert (source.family, source.variant) == ("sdxl", "refiner")
    assert_unet_and_vae(source, tensors)
    assert not source.has("text_encoder")
    second = open_clip(source, "text_encoder_2", tensors, "conditioner.embedders.0.model.")
    assert_same(source.tensors("text_encoder_2"), second)


SD3_SIZES = {"3": sd3.SMALL_MEDIUM, "3.5 medium": sd3.SMALL_MEDIUM_35, "3.5 large": sd3.SMALL_LARGE_35}


@pytest.mark.parametrize("variant", SD3_SIZES)
def test_3_is_put_where_diffusers_puts_it(tmp_path: Path, variant: str) -> None:
    source, tensors = written(tmp_path, sd3.sd3_checkpoint(SD3_SIZES[variant]))
    assert (source.family, source.variant) == ("sd3", variant)
    denoiser = {key: value for key, value in tensors.items() if key.startswith("model.diffusion_model.")}
    assert_same(source.tensors("transformer"), theirs.convert_sd3_transformer_checkpoint_to_diffusers(denoiser))
    vae = said.module_for(source.config("vae"))
    assert_same(source.tensors("vae"), theirs.convert_ldm_vae_checkpoint(dict(tensors), vae.config))
    width = SD3_SIZES[variant].first.width
    for part, name, projection in (
        ("text_encoder", "clip_l", {"text_projection.weight": torch.eye(width)}),
        ("text_encoder_2", "clip_g", {}),
    ):
        found = theirs.convert_ldm_clip_checkpoint(dict(tensors), f"text_encoders.{name}.transformer.")
        assert_same(source.tensors(part), found | projection)
    assert_t5(source.tensors("text_encoder_3"), theirs.convert_sd3_t5_checkpoint_to_diffusers(dict(tensors)))


def assert_t5(ours: Mapping[str, Any], other: Tensors) -> None:
    """transformers' module has the words twice, the file once."""
    assert ours["encoder.embed_tokens.weight"] is ours["shared.weight"]
    once = {key: value for key, value in ours.items() if key != "encoder.embed_tokens.weight"}
    assert_same(once, {key: value for key, value in other.items() if key != "encoder.embed_tokens.weight"})


@pytest.mark.parametrize("size", [flux.DEV, flux.SCHNELL], ids=["dev", "schnell"])
def test_flux_is_put_where_diffusers_puts_it(tmp_path: Path, size: flux.Flux) -> None:
    """diffusers knows one width only, so that rows are of full size here and columns few."""
    small = flux.Flux(**{**size.__dict__, "double": 2, "single": 2})
    source, tensors = written(tmp_path, cut(flux.flux_shapes(small)) | {"img_in.weight": (3072, 64)})
    assert (source.family, source.variant) == ("flux", "dev" if size.guided else "schnell")
    other = theirs.convert_flux_transformer_checkpoint_to_diffusers(dict(tensors))
    assert_same(source.tensors("transformer"), other)


def test_flux_with_everything_in_one_file(tmp_path: Path) -> None:
    source, tensors = written(tmp_path, flux.flux_checkpoint(flux.SMALL_DEV))
    assert source.schedule["use_dynamic_shifting"] is True
    vae = said.module_for(source.config("vae"))
    assert_same(source.tensors("vae"), theirs.convert_ldm_vae_checkpoint(dict(tensors), vae.config))
    module = said.module_for(source.config("text_encoder"))
    first = theirs.convert_ldm_clip_checkpoint(dict(tensors), "text_encoders.clip_l.transformer.")
    assert_same(source.tensors("text_encoder"), said.text_model(module, first))
    assert_t5(source.tensors("text_encoder_2"), said.under("text_encoders.t5xxl.transformer.", tensors))


FILES = {
    "1.x": checkpoint_shapes(SMALL_1),
    "XL": xl.xl_shapes(xl.SMALL_BASE),
    "refiner": xl.xl_shapes(xl.SMALL_REFINER),
    "3": sd3.sd3_checkpoint(sd3.SMALL_MEDIUM),
    "3.5 medium": sd3.sd3_checkpoint(sd3.SMALL_MEDIUM_35),
    "dev": flux.flux_checkpoint(flux.SMALL_DEV),
    "schnell": flux.flux_shapes(flux.SMALL_SCHNELL),
    "ae": vae_shapes(flux.SMALL_DEV.latent),
    "taesd": taesd.encoder(stem="taesd_encoder.") | taesd.decoder(stem="taesd_decoder."),
    "t5": text.t5(text.SMALL_T5),
}


@pytest.mark.parametrize("name", FILES)
def test_modules_go_back_to_the_file_bit_for_bit(tmp_path: Path, name: str) -> None:
    source, tensors = written(tmp_path, FILES[name])
    assert isinstance(source, SingleFile)
    for part, taken in source.contents.parts.items():
        modules = source.tensors(part)
        for key, place in published(taken.stand.layout.names(taken.config), modules).items():
            if taken.stand.prefix + key in tensors:
                assert torch.equal(put_together(place, modules), tensors[taken.stand.prefix + key]), key
            else:
                assert taken.role.unprojected


@pytest.mark.parametrize("name", FILES)
def test_what_diffusers_calls_otherwise_is_the_same_model(tmp_path: Path, name: str) -> None:
    """Each part alone, in diffusers' and transformers' own names, is known and gives the same tensors and config."""
    source, _ = written(tmp_path, FILES[name])
    for part in [part for part in ("unet", "transformer", "vae") if source.has(part)]:
        file = write_ldm(tmp_path / f"{part}.safetensors", full(source, part))
        alone = contents_of(file, source.family, source.variant)
        assert dict(alone.part(part).config) == dict(source.config(part))
        assert "" not in alone.unused
        assert_same(SingleFile(file, source.family, source.variant).tensors(part), full(source, part))


def test_taesd_stands_one_layer_lower_in_diffusers(tmp_path: Path) -> None:
    for channels in (4, 16):
        source, tensors = written(tmp_path, taesd.decoder(channels))
        ours = full(source, "vae")
        assert {key: tuple(value.shape) for key, value in ours.items()} == taesd.decoder(
            channels, "decoder.layers.", -1
        )
        assert torch.equal(ours["decoder.layers.2.conv.0.weight"], tensors["3.conv.0.weight"])
        assert (source.config("vae")["latent_channels"], source.config("vae")["scaling_factor"]) == (channels, 1.0)
