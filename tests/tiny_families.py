"""Tiny diffusers folders of the later families with random weights: Stable Diffusion XL, its refiner, 3, and Flux."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tests.tiny import write_tokenizer

L, G = 32, 48  # widths of the two CLIPs
MARKS = {"bos_token_id": 512, "eos_token_id": 513, "pad_token_id": 513, "vocab_size": 514}


def write_clip(folder: Path, part: str, width: int, *, projects: bool, pads_with_end: bool = True) -> None:
    """Write a CLIP of three layers with its tokenizer."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    kind = CLIPTextModelWithProjection if projects else CLIPTextModel
    config = CLIPTextConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=4,
        projection_dim=width,
        max_position_embeddings=77,
        hidden_act="quick_gelu" if pads_with_end else "gelu",
        **MARKS,
    )
    kind(config).save_pretrained(folder / part)
    write_tokenizer(folder / part.replace("text_encoder", "tokenizer"), pad="<|endoftext|>" if pads_with_end else "!")


def write_vae(folder: Path, **changes: Any) -> None:
    """Write a KL autoencoder with an eighth of the picture's sides."""
    from diffusers import AutoencoderKL

    config: dict[str, Any] = {
        "block_out_channels": (8, 8, 8, 8),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "latent_channels": 4,
        "sample_size": 64,
    }
    AutoencoderKL(**config | changes).save_pretrained(folder / "vae")


def write_index(folder: Path, pipeline: str, parts: dict[str, str], schedule: dict[str, Any]) -> Path:
    """Write what a folder says of itself: its pipeline, its parts' classes, and its schedule."""
    index = {
        name: ["diffusers" if kind[:2] not in ("CL", "T5") else "transformers", kind] for name, kind in parts.items()
    }
    kind = schedule.pop("_class_name")
    (folder / "model_index.json").write_text(
        json.dumps({"_class_name": pipeline, **index, "scheduler": ["diffusers", kind]})
    )
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"_class_name": kind, **schedule}))
    return folder


def write_tiny_sdxl(
    folder: Path,
    *,
    refiner: bool = False,
    inpaint: bool = False,
    prediction: str = "epsilon",
    zero_snr: bool = False,
    seed: int = 0,
) -> Path:
    """Write a Stable Diffusion XL to `folder` as diffusers would, and return the folder."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(seed)
    if not refiner:
        write_clip(folder, "text_encoder", L, projects=False)
    write_clip(folder, "text_encoder_2", G, projects=True, pads_with_end=False)
    UNet2DConditionModel(
        sample_size=8,
        in_channels=9 if inpaint else 4,
        block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        transformer_layers_per_block=(1, 2),
        cross_attention_dim=G if refiner else L + G,
        attention_head_dim=(2, 4),
        norm_num_groups=8,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=G + 8 * (5 if refiner else 6),
    ).save_pretrained(folder / "unet")
    write_vae(folder, scaling_factor=0.13025)
    towers = {"text_encoder_2": "CLIPTextModelWithProjection", "tokenizer_2": "CLIPTokenizer"}
    if not refiner:
        towers |= {"text_encoder": "CLIPTextModel", "tokenizer": "CLIPTokenizer"}
    schedule = {
        "_class_name": "EulerDiscreteScheduler",
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": prediction,
        "rescale_betas_zero_snr": zero_snr,
    }
    pipeline = f"StableDiffusionXL{'Inpaint' if inpaint else 'Img2Img' if refiner else ''}Pipeline"
    return write_index(folder, pipeline, {**towers, "unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}, schedule)


LETTERS = "abcdefghijklmnopqrstuvwxyz,.!ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PIECES = [
    ("<pad>", 0.0),
    ("</s>", 0.0),
    ("<unk>", 0.0),
    ("▁", -2.0),
    *((word, -3.0 - 0.1 * place) for place, word in enumerate(("▁a", "▁fox", "▁red", "ing", "▁the"))),
    *((letter, -6.0 - 0.01 * place) for place, letter in enumerate(LETTERS)),
]


def write_t5(folder: Path, part: str, width: int) -> None:
    """Write T5's encoder, two layers of it, with a tokenizer of a few pieces."""
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=160,
        d_model=width,
        d_kv=8,
        d_ff=2 * width,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
    )
    T5EncoderModel(config).save_pretrained(folder / part)
    write_pieces(folder / part.replace("text_encoder", "tokenizer"))


def write_pieces(folder: Path) -> None:
    """Write a tokenizer of a few pieces as transformers would."""
    from transformers import T5Tokenizer

    T5Tokenizer(vocab=list(PIECES)).save_pretrained(folder)


FLOWING = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000}
DYNAMIC = {
    "shift": 3.0,
    "use_dynamic_shifting": True,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
}


def write_tiny_flux(folder: Path, *, distilled: bool = True, seed: int = 0) -> Path:
    """Write a Flux to `folder` as diffusers would: dev where guidance is distilled into it, else schnell."""
    from diffusers import FluxTransformer2DModel

    torch.manual_seed(seed)
    write_clip(folder, "text_encoder", L, projects=False)
    write_t5(folder, "text_encoder_2", 40)
    FluxTransformer2DModel(
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=40,
        pooled_projection_dim=L,
        guidance_embeds=distilled,
        axes_dims_rope=(4, 6, 6),
    ).save_pretrained(folder / "transformer")
    write_deep_vae(folder, scaling_factor=0.3611, shift_factor=0.1159)
    parts = {
        "text_encoder": "CLIPTextModel",
        "tokenizer": "CLIPTokenizer",
        "text_encoder_2": "T5EncoderModel",
        "tokenizer_2": "T5TokenizerFast",
        "transformer": "FluxTransformer2DModel",
        "vae": "AutoencoderKL",
    }
    schedule = {**FLOWING, **(DYNAMIC if distilled else {"shift": 1.0, "use_dynamic_shifting": False})}
    return write_index(folder, "FluxPipeline", parts, schedule)


def write_tiny_sd3(folder: Path, *, t5: bool = True, later: bool = False, seed: int = 0) -> Path:
    """Write a Stable Diffusion 3 to `folder` as diffusers would, with or without T5.

    later: 3.5 medium, with norms of queries and keys and a second attention in its first layer.
    """
    from diffusers import SD3Transformer2DModel

    torch.manual_seed(seed)
    write_clip(folder, "text_encoder", L, projects=True)
    write_clip(folder, "text_encoder_2", G, projects=True, pads_with_end=False)
    if t5:
        write_t5(folder, "text_encoder_3", L + G + 16)
    SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=16,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=L + G + 16,
        caption_projection_dim=32,
        pooled_projection_dim=L + G,
        out_channels=16,
        pos_embed_max_size=16,
        dual_attention_layers=(0,) if later else (),
        qk_norm="rms_norm" if later else None,
    ).save_pretrained(folder / "transformer")
    write_deep_vae(folder, scaling_factor=1.5305, shift_factor=0.0609)
    parts = {
        "text_encoder": "CLIPTextModelWithProjection",
        "tokenizer": "CLIPTokenizer",
        "text_encoder_2": "CLIPTextModelWithProjection",
        "tokenizer_2": "CLIPTokenizer",
        "transformer": "SD3Transformer2DModel",
        "vae": "AutoencoderKL",
    }
    if t5:
        parts |= {"text_encoder_3": "T5EncoderModel", "tokenizer_3": "T5TokenizerFast"}
    return write_index(folder, "StableDiffusion3Pipeline", parts, {**FLOWING, "shift": 3.0})


def write_deep_vae(folder: Path, **scale: float) -> None:
    """Write an autoencoder of 16 channels, which has no convolution between encoder and latents."""
    write_vae(folder, latent_channels=16, use_quant_conv=False, use_post_quant_conv=False, **scale)
