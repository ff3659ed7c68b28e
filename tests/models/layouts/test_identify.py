"""What a file is: parts alone, what is no model, what it predicts, folders; and damage that names file and tensor."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from easel.core.errors import Incomplete, Mismatch, ModelError, Unrecognised
from easel.models.layouts.identify import identify
from easel.models.layouts.sources import source_of
from tests.layouts import flux, sd3, text, xl
from tests.layouts.sparse import write_sparse
from tests.layouts.text import within
from tests.ldm import FULL_1, SMALL_1, Shapes, checkpoint_shapes, filled, unet_shapes, vae_shapes, write_ldm

XL = xl.xl_shapes(xl.SMALL_BASE)
LAYERS = {"linear.0.weight": torch.zeros(4, 4), "linear.0.bias": torch.zeros(4)}
REFINER = xl.xl_shapes(xl.SMALL_REFINER)
UNET = "model.diffusion_model."


def sparse(tmp_path: Path, shapes: Shapes, metadata: dict[str, str] | None = None) -> Path:
    return write_sparse(tmp_path / "model.safetensors", shapes, metadata=metadata)


def without(shapes: Shapes, *prefixes: str) -> Shapes:
    return {key: shape for key, shape in shapes.items() if not key.startswith(prefixes)}


@pytest.mark.parametrize(
    ("shapes", "missing"),
    [
        (without(XL, "first_stage_model."), ("autoencoder (VAE)",)),
        (without(XL, "conditioner.embedders.0"), ("text encoder CLIP-L",)),
        (without(REFINER, "conditioner."), ("text encoder CLIP-G",)),
        (sd3.sd3_checkpoint(sd3.SMALL_MEDIUM, encoders=False), ("text encoder CLIP-L", "text encoder CLIP-G")),
        (sd3.sd3_checkpoint(sd3.SMALL_MEDIUM, third=False), ()),
        (flux.flux_shapes(flux.SMALL_DEV), ("autoencoder (VAE)", "text encoder CLIP-L", "text encoder T5")),
        (unet_shapes(SMALL_1), ("autoencoder (VAE)", "text encoder")),
        (vae_shapes(SMALL_1), ()),
    ],
)
def test_missing_parts_are_told(tmp_path: Path, shapes: Shapes, missing: tuple[str, ...]) -> None:
    identity = identify(sparse(tmp_path, shapes))
    assert identity.missing == missing
    for part in missing:
        source = source_of(identity)
        names = [name for name in ("vae", "text_encoder", "text_encoder_2") if not source.has(name)]
        assert names
        with pytest.raises(Incomplete, match=r"model\.safetensors: (has no|.* has no)"):
            source.config(names[-1])
        assert part


@pytest.mark.parametrize(
    ("shapes", "kind", "family", "fits"),
    [
        (unet_shapes(SMALL_1), "denoiser", "sd", ("sd",)),
        (within("diffusion_model.", unet_shapes(xl.SMALL_BASE.build)), "denoiser", "sdxl", ("sdxl",)),
        (vae_shapes(SMALL_1), "vae", "sd", ("sd", "sdxl")),
        (within("vae.", vae_shapes(flux.SMALL_DEV.latent)), "vae", "flux", ("flux", "sd3")),
        (text.clip(text.SMALL_L), "text_encoder", "sd", ("sd", "sdxl", "sd3", "flux")),
        (text.clip(text.CLIP_G), "text_encoder", "sdxl", ("sdxl", "sd3")),
        (text.t5(text.SMALL_T5), "text_encoder", "flux", ("flux", "sd3")),
        (flux.flux_checkpoint(flux.SMALL_DEV), "checkpoint", "flux", ("flux",)),
        (
            without(sd3.sd3_checkpoint(sd3.SMALL_MEDIUM), UNET, "first_stage_model."),
            "text_encoder",
            "sd3",
            ("sd3",),
        ),
    ],
)
def test_parts_alone_are_told(tmp_path: Path, shapes: Shapes, kind: str, family: str, fits: tuple[str, ...]) -> None:
    identity = identify(sparse(tmp_path, shapes))
    assert (identity.kind, identity.family, identity.fits) == (kind, family, fits)
    assert "not known" not in dict(identity.unused)


LORA = "lora_unet_input_blocks_1_1_transformer_blocks_0_attn2_to_k"


@pytest.mark.parametrize(
    ("shapes", "kind", "family", "words"),
    [
        ({f"{LORA}.lora_down.weight": (4, 768)}, "lora", "sd", "LoRA, sd 1.x"),
        ({f"{LORA}.lora_down.weight": (4, 1024)}, "lora", "sd", "LoRA, sd 2.x"),
        ({f"{LORA}.lora_down.weight": (4, 2048)}, "lora", "sdxl", "LoRA, sdxl base"),
        ({"unet.down_blocks.0.x.attn2.to_k.lora_A.weight": (4, 768)}, "lora", "sd", "LoRA, sd 1.x"),
        ({f"{LORA}.hada_w1_a": (4, 4), f"{LORA}.hada_w1_b": (4, 768)}, "lora", "sd", "LoRA, sd 1.x"),
        ({"lora_te_text_model_encoder_layers_0_mlp_fc1.alpha": ()}, "lora", "", "LoRA"),
        ({"lora_unet_double_blocks_0_img_mod_lin.lora_down.weight": (4, 3072)}, "lora", "flux", "LoRA, flux"),
        ({"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": (4, 8)}, "lora", "flux", "LoRA, flux"),
        ({"control_model.time_embed.0.weight": (4, 4)}, "controlnet", "", "ControlNet"),
        ({"controlnet_cond_embedding.conv_in.weight": (4, 4)}, "controlnet", "", "ControlNet"),
        ({"emb_params": (4, 768)}, "embedding", "sd", "textual inversion, sd 1.x"),
        ({"clip_l": (4, 768), "clip_g": (4, 1280)}, "embedding", "sdxl", "textual inversion, sdxl base"),
        ({"<cat>": (1024,)}, "embedding", "sd", "textual inversion, sd 2.x"),
        ({"model.0.weight": (4, 3, 3, 3), "model.1.sub.0.weight": (4,)}, "upscaler", "", "upscaler"),
        ({"vision_model.embeddings.class_embedding": (4,)}, "clip_vision", "", "image encoder (CLIP vision)"),
        ({"down_blocks.0.motion_modules.0.x.weight": (4,)}, "motion_module", "", "motion module"),
        ({"ip_adapter.1.to_k_ip.weight": (4, 4)}, "ip_adapter", "", "IP-Adapter"),
    ],
)
def test_what_is_no_model_is_told_and_refused(
    tmp_path: Path, shapes: Shapes, kind: str, family: str, words: str
) -> None:
    identity = identify(sparse(tmp_path, shapes))
    assert (identity.kind, identity.family, identity.words) == (kind, family, words)
    with pytest.raises(Unrecognised, match=r"model\.safetensors: this is an? "):
        source_of(identity)


@pytest.mark.parametrize(
    ("made", "kind", "words"),
    [
        ({"string_to_param": {"*": torch.zeros(2, 768)}, "name": "x"}, "embedding", "textual inversion, sd 1.x"),
        ({"<cat>": torch.zeros(768)}, "embedding", "textual inversion, sd 1.x"),
        ({"params_ema": {"conv_first.weight": torch.zeros(4, 3, 3, 3)}}, "upscaler", "upscaler"),
    ],
)
def test_pickles_of_other_kinds_are_told(tmp_path: Path, made: dict[Any, Any], kind: str, words: str) -> None:
    torch.save(made, tmp_path / "model.pt")
    identity = identify(tmp_path / "model.pt")
    assert (identity.kind, identity.words) == (kind, words)
    with pytest.raises(Unrecognised, match=r"model\.pt: this is an? "):
        source_of(identity)


def test_hypernetworks_are_refused_by_name(tmp_path: Path) -> None:
    """Their layers stand under numbers, which are no names."""
    torch.save({320: (LAYERS, LAYERS), "step": 10, "layer_structure": [1, 2, 1]}, tmp_path / "model.pt")
    with pytest.raises(Unrecognised, match=r"model\.pt: no tensors with names, as in a hypernetwork"):
        identify(tmp_path / "model.pt")


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"weight": (1,), "bias": (1,)}, "no model that is known"),
        (checkpoint_shapes(SMALL_1) | {"noise_augmentor.betas": (1000,)}, "Stable Diffusion 2 unCLIP"),
        (checkpoint_shapes(SMALL_1) | {f"{UNET}input_blocks.1.1.time_stack.0.norm1.bias": (4,)}, "a video model"),
        (XL | {"edm_mean": (4,)}, "Playground 2.5"),
        (flux.flux_shapes(flux.SMALL_SCHNELL) | {"distilled_guidance_layer.in_proj.bias": (4,)}, "Chroma"),
        (flux.flux_shapes(replace(flux.SMALL_DEV, taken=384)), "384 input channels and is Flux Fill"),
        (flux.flux_shapes(replace(flux.SMALL_DEV, taken=128)), "128 input channels and is Flux Depth or Canny"),
        (unet_shapes(SMALL_1) | {"input_blocks.0.0.weight": (64, 5, 3, 3)}, "5 input channels and reads depth"),
        (unet_shapes(SMALL_1) | {"input_blocks.0.0.weight": (64, 8, 3, 3)}, "8 input channels and is Instruct"),
        (vae_shapes(replace(SMALL_1, latent=8)), "an autoencoder of 8 latent channels; supported are 4 and 16"),
    ],
)
def test_other_models_are_refused_by_name(tmp_path: Path, shapes: Shapes, words: str) -> None:
    file = sparse(tmp_path, shapes)
    with pytest.raises(Unrecognised, match=words) as caught:
        identify(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "metadata", "beside", "told"),
    [
        ({}, None, {}, ("epsilon", "usual for SDXL", False)),
        ({"v_pred": ()}, None, {}, ("v_prediction", "marked in the file", False)),
        ({"v_pred": (), "ztsnr": ()}, None, {}, ("v_prediction", "marked in the file", True)),
        ({}, {"modelspec.prediction_type": "v"}, {}, ("v_prediction", "told by the file's metadata", False)),
        ({}, {"ss_zero_terminal_snr": "True"}, {}, ("epsilon", "usual for SDXL", True)),
        ({"ztsnr": ()}, None, {"zero_snr": False}, ("epsilon", "usual for SDXL", False)),
        (
            {},
            None,
            {"prediction": "v_prediction", "zero_snr": True},
            ("v_prediction", "told by model.easel.json", True),
        ),
    ],
)
def test_xl_tells_what_it_predicts(
    tmp_path: Path,
    more: Shapes,
    metadata: dict[str, str] | None,
    beside: dict[str, Any],
    told: tuple[str, str, bool],
) -> None:
    if beside:
        (tmp_path / "model.easel.json").write_text(json.dumps(beside))
    identity = identify(sparse(tmp_path, XL | more, metadata))
    assert (identity.prediction, identity.known_by, identity.zero_snr) == told
    assert source_of(identity).schedule["rescale_betas_zero_snr"] is told[2]
    assert "not known" not in dict(identity.unused)


def test_flow_models_predict_flow_and_nothing_else(tmp_path: Path) -> None:
    file = sparse(tmp_path, flux.flux_shapes(flux.SMALL_DEV))
    assert (identify(file).prediction, identify(file).known_by) == ("flow", "usual for Flux.1")
    (tmp_path / "model.yaml").write_text("model: {params: {parameterization: v}}")
    with pytest.raises(Mismatch, match=r"model\.yaml beside .*Flux\.1 always predicts flow"):
        identify(file)


def test_sidecars_say_true_or_false(tmp_path: Path) -> None:
    (tmp_path / "model.easel.json").write_text('{"zero_snr": "yes"}')
    with pytest.raises(Mismatch, match="zero_snr is 'yes', allowed are true and false"):
        identify(sparse(tmp_path, XL))


def changed(shapes: Shapes, **changes: tuple[int, ...] | None) -> Shapes:
    return {key: shape for key, shape in (shapes | changes).items() if shape is not None}


SD3 = sd3.sd3_checkpoint(sd3.SMALL_MEDIUM_35)
FLUX = flux.flux_checkpoint(flux.SMALL_DEV)


@pytest.mark.parametrize(
    ("shapes", "change", "error", "words"),
    [
        (XL, {f"{UNET}label_emb.0.0.weight": (4,)}, Mismatch, r"in model\.diffusion_model\.\* 'label_emb\.0\.0"),
        (XL, {f"{UNET}out.2.weight": None}, Incomplete, r"'out\.2\.weight' is missing"),
        (SD3, {f"{UNET}pos_embed": None}, Incomplete, "'pos_embed' is missing"),
        (SD3, {f"{UNET}pos_embed": (1, 65, 192)}, Mismatch, "'pos_embed' has 65 places, needed is a square number"),
        (SD3, {f"{UNET}context_embedder.weight": (4,)}, Mismatch, r"'context_embedder\.weight' is \(4,\)"),
        (FLUX, {f"{UNET}txt_in.weight": None}, Incomplete, r"'txt_in\.weight' is missing"),
        (FLUX, {"vae.decoder.conv_in.weight": None}, Incomplete, r"in vae\.\* 'decoder\.conv_in\.weight' is missing"),
        (
            FLUX,
            {"text_encoders.t5xxl.transformer.shared.weight": (3,)},
            Mismatch,
            r"in text_encoders\.t5xxl\.transformer\.\* 'shared\.weight' is \(3,\)",
        ),
    ],
)
def test_damage_names_file_and_tensor(
    tmp_path: Path, shapes: Shapes, change: dict[str, tuple[int, ...] | None], error: type[ModelError], words: str
) -> None:
    file = sparse(tmp_path, changed(shapes, **change))
    with pytest.raises(error, match=words) as caught:
        identify(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "rows", "words"),
    [
        ("joint_blocks.0.x_block.attn.qkv.weight", 193, "has 193 rows, needed are a multiple of 3"),
        ("single_blocks.0.linear1.bias", 12, "has 12 rows, needed are 448"),
    ],
)
def test_rows_that_do_not_come_out_even_are_named(tmp_path: Path, name: str, rows: int, words: str) -> None:
    shapes = sd3.sd3_shapes(sd3.SMALL_MEDIUM) if name.startswith("joint") else flux.flux_shapes(flux.SMALL_DEV)
    tensors = filled(shapes)
    wrong: dict[str, Tensor] = {name: torch.zeros(rows, *tensors[name].shape[1:])}
    file = write_ldm(tmp_path / "model.safetensors", tensors | wrong)
    with pytest.raises(Mismatch, match=words) as caught:
        source_of(identify(file)).tensors("transformer")
    assert str(file) in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["joint_blocks.0.x_block.stranger", "final_layer.stranger"])
def test_strangers_in_a_part_are_refused(tmp_path: Path, name: str) -> None:
    shapes = within(UNET, sd3.sd3_shapes(sd3.SMALL_MEDIUM)) | {f"{UNET}{name}": (4,)}
    file = write_ldm(tmp_path / "model.safetensors", filled(shapes))
    assert dict(identify(file).unused)["not known"] == 1
    with pytest.raises(Mismatch, match=f"1 tensors have no place in the transformer, first '{UNET}{name}'"):
        source_of(identify(file)).tensors("transformer")


def test_float8_is_only_a_number_format(tmp_path: Path) -> None:
    file = write_sparse(tmp_path / "flux.safetensors", flux.flux_shapes(flux.DEV), "F8_E4M3")
    assert (identify(file).words, identify(file).dtype) == ("transformer alone, flux dev", "float8 e4m3")


def test_ten_thousand_names_are_told_soon(tmp_path: Path) -> None:
    """The largest files are looked through a few times, not once for each of their names."""
    shapes = flux.flux_checkpoint(flux.DEV) | {f"stranger.{number}": (1,) for number in range(10_000)}
    assert dict(identify(sparse(tmp_path, shapes)).unused)["not known"] == 10_000


def test_the_clip_of_1_is_whole_without_its_projection(tmp_path: Path) -> None:
    """Published CLIPs carry eyes and projections; a text encoder alone is known by its tower."""
    shapes = text.clip(replace(text.SMALL_L, projected=64)) | {"logit_scale": (), "visual_projection.weight": (64, 9)}
    identity = identify(sparse(tmp_path, shapes))
    assert (identity.kind, identity.variant) == ("text_encoder", "CLIP-L")
    assert sorted(dict(identity.unused)) == [
        "CLIP's eyes",
        "positions, counted anew",
        "what CLIP compares with pictures",
    ]


def test_full_size_1_tells_itself(tmp_path: Path) -> None:
    assert identify(sparse(tmp_path, checkpoint_shapes(FULL_1))).words == "sd 1.x"


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, easel.models.layouts.identify; print('torch' in sys.modules, 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False False\n"
