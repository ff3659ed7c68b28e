"""Single files of XL, 3 and Flux loaded as models: what they compute is what diffusers' and transformers' modules do.

The modules' configs are written out here and their weights come by diffusers' conversion, so that nothing of Easel's
tables is in what the outputs are held against.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel, UNet2DConditionModel
from diffusers.loaders import single_file_utils as theirs
from torch import Tensor
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from easel.core.settings import read_settings
from easel.core.work import Text
from easel.models.family import load
from easel.models.layouts.identify import identify
from tests.layouts import flux, sd3, xl
from tests.ldm import Shapes, filled, write_ldm
from tests.models.layouts import published as said
from tests.tiny_families import PIECES

CLOSE: Any = {"rtol": 1e-5, "atol": 1e-5}
VAE: dict[str, Any] = {
    "block_out_channels": [32, 32, 64, 64],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 1,
}
TOLD: dict[str, Any] = {
    "layers_per_block": 1,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
}
BASE = TOLD | {
    "block_out_channels": [64, 128, 128],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 1, 2],
    "attention_head_dim": [1, 2, 2],
    "cross_attention_dim": 192,
    "projection_class_embeddings_input_dim": 128 + 6 * 256,
}
REFINER = TOLD | {
    "block_out_channels": [64, 128, 128, 128],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": 2,
    "attention_head_dim": [1, 2, 2, 2],
    "cross_attention_dim": 128,
    "projection_class_embeddings_input_dim": 128 + 5 * 256,
}
MMDIT: dict[str, Any] = {
    "num_layers": 3,
    "attention_head_dim": 64,
    "num_attention_heads": 3,
    "joint_attention_dim": 256,
    "caption_projection_dim": 192,
    "pooled_projection_dim": 64 + 128,
    "pos_embed_max_size": 8,
}


def loaded(tmp_path: Path, shapes: Shapes) -> tuple[Any, dict[str, Tensor]]:
    """Write and load a file; T5's words, which files seldom carry, stand beside it."""
    tensors = filled(shapes)
    file = write_ldm(tmp_path / "model.safetensors", tensors)
    if any("t5xxl" in name for name in shapes):
        T5Tokenizer(vocab=list(PIECES)).save_pretrained(tmp_path)
    return load(identify(file), read_settings(precision="float32")), tensors


def with_weights(module: Any, tensors: Mapping[str, Tensor]) -> Any:
    module.load_state_dict({key: value for key, value in tensors.items() if "position_ids" not in key})
    return module.eval()


def tower(kind: Any, width: int, activation: str, tensors: Mapping[str, Tensor]) -> Any:
    config = CLIPTextConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=width // 64,
        hidden_act=activation,
        projection_dim=width,
    )
    module = kind(config)
    return with_weights(module, said.text_model(module, tensors))


def assert_tower(ours: Any, theirs: Any) -> None:
    ids = torch.tensor([[49406, 320, 736, 3240, 49407, *[0] * 72]])
    found, other = (module(input_ids=ids, output_hidden_states=True) for module in (ours, theirs))
    torch.testing.assert_close(found.hidden_states[-2], other.hidden_states[-2], **CLOSE)
    torch.testing.assert_close(found[0], other[0], **CLOSE)


def assert_vae(model: Any, tensors: dict[str, Tensor], scale: float, shift: float = 0.0, **config: Any) -> None:
    module: Any = AutoencoderKL(**VAE, **config)
    with_weights(module, theirs.convert_ldm_vae_checkpoint(tensors, module.config))
    latents, pixels = torch.randn(1, module.config.latent_channels, 4, 8), torch.rand(1, 3, 32, 64)
    decoded = (module.decode(latents / scale + shift).sample / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(model.decode(latents), decoded, **CLOSE)
    encoded = (module.encode(pixels * 2 - 1).latent_dist.mode() - shift) * scale
    torch.testing.assert_close(model.encode_images(pixels), encoded, **CLOSE)


INPAINTING = replace(xl.SMALL_BASE, build=replace(xl.SMALL_BASE.build, inpaints=True))


@pytest.mark.parametrize(
    ("size", "config"),
    [(xl.SMALL_BASE, BASE), (INPAINTING, BASE | {"in_channels": 9}), (xl.SMALL_REFINER, REFINER)],
    ids=["base", "inpainting", "refiner"],
)
@torch.inference_mode()
def test_xl(tmp_path: Path, size: xl.XL, config: dict[str, Any]) -> None:
    model, tensors = loaded(tmp_path, xl.xl_shapes(size))
    unet: Any = UNet2DConditionModel(**config)
    with_weights(unet, theirs.convert_ldm_unet_checkpoint(dict(tensors), unet.config))
    x, context = torch.randn(2, unet.config.in_channels, 8, 16), torch.randn(2, 77, unet.config.cross_attention_dim)
    sizes = torch.rand(2, 5 if size.first is None else 6) * 1024
    call = (x, torch.tensor([999, 10]), context)
    added = {"added_cond_kwargs": {"text_embeds": torch.randn(2, 128), "time_ids": sizes}}
    torch.testing.assert_close(model.unet(*call, **added).sample, unet(*call, **added).sample, **CLOSE)
    assert_vae(model, tensors, 0.13025)
    prefix = f"conditioner.embedders.{int(size.first is not None)}.model."
    wide = CLIPTextModelWithProjection(CLIPTextConfig(hidden_size=128, num_attention_heads=2))
    found = theirs.convert_open_clip_checkpoint(wide, dict(tensors), prefix=prefix)
    assert_tower(model.parts["text_encoder_2"], tower(CLIPTextModelWithProjection, 128, "gelu", found))
    if size.first is not None:
        found = theirs.convert_ldm_clip_checkpoint(dict(tensors))
        assert_tower(model.parts["text_encoder"], tower(CLIPTextModel, 64, "quick_gelu", found))
    assert model.encode([Text("a red fox")])[0].context.isfinite().all()


@pytest.mark.parametrize(
    ("size", "config"),
    [
        (sd3.SMALL_MEDIUM, MMDIT),
        (sd3.SMALL_MEDIUM_35, MMDIT | {"dual_attention_layers": (0, 1), "qk_norm": "rms_norm"}),
        (sd3.SMALL_LARGE_35, MMDIT | {"qk_norm": "rms_norm"}),
    ],
    ids=["3", "3.5 medium", "3.5 large"],
)
@torch.inference_mode()
def test_3(tmp_path: Path, size: sd3.SD3, config: dict[str, Any]) -> None:
    model, tensors = loaded(tmp_path, sd3.sd3_checkpoint(size))
    denoiser = {key: value for key, value in tensors.items() if key.startswith("model.diffusion_model.")}
    other = SD3Transformer2DModel(**config)
    with_weights(other, theirs.convert_sd3_transformer_checkpoint_to_diffusers(denoiser))
    call = {
        "hidden_states": torch.randn(2, 16, 8, 16),
        "encoder_hidden_states": torch.randn(2, 9, 256),
        "pooled_projections": torch.randn(2, 192),
        "timestep": torch.tensor([999.0, 10.0]),
    }
    torch.testing.assert_close(model.parts["transformer"](**call).sample, other(**call).sample, **CLOSE)
    deep = {"latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False}
    assert_vae(model, tensors, 1.5305, 0.0609, **deep)
    first = theirs.convert_ldm_clip_checkpoint(dict(tensors), "text_encoders.clip_l.transformer.")
    whole = first | {"text_projection.weight": torch.eye(64)}
    assert_tower(model.parts["text_encoder"], tower(CLIPTextModelWithProjection, 64, "quick_gelu", whole))
    second = theirs.convert_ldm_clip_checkpoint(dict(tensors), "text_encoders.clip_g.transformer.")
    assert_tower(model.parts["text_encoder_2"], tower(CLIPTextModelWithProjection, 128, "gelu", second))
    t5 = theirs.convert_sd3_t5_checkpoint_to_diffusers(dict(tensors))
    assert_t5(model.parts["text_encoder_3"], t5, width=256, heads=8)
    assert model.encode([Text("a red fox")])[0].context.isfinite().all()


def assert_t5(ours: Any, tensors: Mapping[str, Tensor], width: int, heads: int) -> None:
    config = T5Config(
        vocab_size=300,
        d_model=width,
        d_kv=width // heads,
        d_ff=128,
        num_layers=2,
        num_heads=heads,
        feed_forward_proj="gated-gelu",
    )
    twice = {"encoder.embed_tokens.weight": tensors["shared.weight"]}
    module = with_weights(T5EncoderModel(config), {**tensors, **twice})
    ids = torch.tensor([[3, 7, 11, 1, 0, 0]])
    close: Any = {"rtol": 1e-5, "atol": 1e-4}  # T5's numbers are large
    torch.testing.assert_close(ours(input_ids=ids)[0], module(input_ids=ids)[0], **close)


@pytest.mark.parametrize("size", [flux.SMALL_DEV, flux.SMALL_SCHNELL], ids=["dev", "schnell"])
@torch.inference_mode()
def test_flux(tmp_path: Path, size: flux.Flux) -> None:
    """The transformer's conversion is held against diffusers' at full width in test_converted.py."""
    model, tensors = loaded(tmp_path, flux.flux_checkpoint(size))
    deep = {"latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False}
    assert_vae(
        model,
        {key.replace("vae.", "first_stage_model."): value for key, value in tensors.items()},
        0.3611,
        0.1159,
        **deep,
    )
    first = theirs.convert_ldm_clip_checkpoint(dict(tensors), "text_encoders.clip_l.transformer.")
    assert_tower(model.parts["text_encoder"], tower(CLIPTextModel, 64, "quick_gelu", first))
    assert_t5(model.parts["text_encoder_2"], said.under("text_encoders.t5xxl.transformer.", tensors), width=64, heads=4)
    assert model.distilled is size.guided
    assert model.encode([Text("a red fox")])[0].context.isfinite().all()
