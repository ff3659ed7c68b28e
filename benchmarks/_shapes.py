"""Models of published shapes with random weights, written as diffusers would, for programs that measure at full size.

Numbers are drawn on the device, so that gigabytes of them take seconds; nothing is downloaded. A shape made small keeps
its parts and loses channels.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Shape:
    """A model of published shape. side: pixels. unet, vae, texts: configurations."""

    name: str
    side: int
    unet: dict[str, Any]
    vae: dict[str, Any]
    texts: dict[str, dict[str, Any]]


WORDS = {"vocab_size": 514, "bos_token_id": 512, "eos_token_id": 513, "pad_token_id": 513}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
CLIP_G = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}
SD15 = Shape(
    "SD 1.5 512",
    512,
    {
        "sample_size": 64,
        "cross_attention_dim": 768,
        "attention_head_dim": 8,
        "block_out_channels": (320, 640, 1280, 1280),
    },
    VAE | {"sample_size": 512},
    {"text_encoder": CLIP_L},
)
SDXL = Shape(
    "SDXL 1024",
    1024,
    {
        "sample_size": 128,
        "cross_attention_dim": 2048,
        "attention_head_dim": (5, 10, 20),
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    VAE | {"sample_size": 1024, "scaling_factor": 0.13025},
    {"text_encoder": CLIP_L | {"projection_dim": 768}, "text_encoder_2": CLIP_G | {"projection_dim": 1280}},
)
TINY = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def toy(shape: Shape) -> Shape:
    """Return a shape made small: as many parts, of few channels, at 32 pixels."""
    pooled = {"projection_class_embeddings_input_dim": 6 * 8 + 16, "addition_time_embed_dim": 8}
    unet = shape.unet | {"sample_size": 4, "block_out_channels": (8, 16), "attention_head_dim": 2, "norm_num_groups": 4}
    unet |= {"cross_attention_dim": 16 * len(shape.texts), "layers_per_block": 1}
    unet |= {"down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D")}
    unet |= {"up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")}
    unet |= (pooled | {"transformer_layers_per_block": (1, 2)}) if len(shape.texts) > 1 else {}
    vae = shape.vae | {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4, "sample_size": 32}
    texts = {
        part: TINY | ({"projection_dim": 16} if "projection_dim" in text else {}) for part, text in shape.texts.items()
    }
    return replace(shape, name=f"toy {shape.name}", side=32, unet=unet, vae=vae, texts=texts)


def scheduled() -> dict[str, Any]:
    """Return a scheduler's configuration as published."""
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
    return {"_class_name": "DDIMScheduler", "prediction_type": "epsilon", **betas}


def write_checkpoint(folder: Path, shape: Shape, device: str) -> Path:
    """Write a diffusers folder of a shape in float16, its numbers drawn on the device."""
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    from tests.tiny import write_tokenizer

    def write(part: str, make: Callable[[], Any]) -> None:
        with torch.device("meta"):
            module = make()
        module = module.to_empty(device=device).to(torch.float16).requires_grad_(False).eval()
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.normal_(0, 0.02)
            else:
                tensor.copy_(torch.arange(tensor.numel(), device=device).reshape(tensor.shape))
        module.to("cpu").save_pretrained(folder / part)

    write("unet", lambda: UNet2DConditionModel(**shape.unet))
    write("vae", lambda: AutoencoderKL(**shape.vae))
    index: dict[str, Any] = {"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    for number, (part, text) in enumerate(shape.texts.items(), 1):
        kind = CLIPTextModel if number == 1 else CLIPTextModelWithProjection
        write(part, lambda kind=kind, text=text: kind(CLIPTextConfig(**WORDS, **text)))
        tokenizer = "tokenizer" + ("" if number == 1 else f"_{number}")
        write_tokenizer(folder / tokenizer)
        index |= {part: ["transformers", kind.__name__], tokenizer: ["transformers", "CLIPTokenizer"]}
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduled()))
    index |= {"scheduler": ["diffusers", "DDIMScheduler"]}
    name = "StableDiffusionXLPipeline" if len(shape.texts) > 1 else "StableDiffusionPipeline"
    (folder / "model_index.json").write_text(json.dumps({"_class_name": name, **index}))
    return folder
