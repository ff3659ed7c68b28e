"""A single file as diffusers and transformers load it: their own conversion, their own modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from tests.ldm import Build


def unet_config(build: Build) -> dict[str, Any]:
    """Return diffusers' config of a U-Net, as diffusers publishes it for Stable Diffusion 1 and 2."""
    widths = [times * build.base for times in build.widths]
    return {
        "in_channels": 9 if build.inpaints else 4,
        "block_out_channels": widths,
        "down_block_types": ["CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in build.attends],
        "up_block_types": ["CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(build.attends)],
        "layers_per_block": build.layers,
        "cross_attention_dim": build.text,
        "attention_head_dim": [width // 64 for width in widths] if build.second else 8,
        "use_linear_projection": build.second,
    }


def vae_config(build: Build) -> dict[str, Any]:
    """Return diffusers' config of an autoencoder."""
    levels = len(build.vae_widths)
    return {
        "block_out_channels": [times * build.vae_base for times in build.vae_widths],
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "layers_per_block": build.vae_layers,
        "latent_channels": 4,
    }


def text_config(build: Build) -> Any:
    """Return transformers' config of a text encoder; Stable Diffusion 2 goes without the last layer."""
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        hidden_size=build.text,
        intermediate_size=build.text_inner,
        num_hidden_layers=build.text_layers - build.second,
        num_attention_heads=build.text // 64,
        hidden_act="gelu" if build.second else "quick_gelu",
        projection_dim=build.text,
    )


def unet(build: Build, tensors: Mapping[str, Tensor]) -> Any:
    """Return diffusers' U-Net with the weights of a single file."""
    from diffusers import UNet2DConditionModel
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    module: Any = UNet2DConditionModel.from_config(unet_config(build)).eval()
    module.load_state_dict(convert_ldm_unet_checkpoint(dict(tensors), module.config))
    return module


def vae(build: Build, tensors: Mapping[str, Tensor]) -> Any:
    """Return diffusers' autoencoder with the weights of a single file."""
    from diffusers import AutoencoderKL
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    module: Any = AutoencoderKL.from_config(vae_config(build)).eval()
    module.load_state_dict(convert_ldm_vae_checkpoint(dict(tensors), module.config))
    return module


def text(build: Build, tensors: Mapping[str, Tensor]) -> Any:
    """Return transformers' text encoder with the weights of a single file."""
    from diffusers.loaders import single_file_utils
    from transformers import CLIPTextModel

    module = CLIPTextModel(text_config(build)).eval()
    if build.second:
        last = f"resblocks.{build.text_layers - 1}."
        found = single_file_utils.convert_open_clip_checkpoint(
            module, {key: value for key, value in tensors.items() if last not in key}
        )
    else:
        found = single_file_utils.convert_ldm_clip_checkpoint(dict(tensors))
    found = {key.removeprefix("text_model."): value for key, value in found.items()}
    for computed in ("embeddings.position_ids", "text_projection.weight"):
        found.pop(computed, None)
    module.load_state_dict(found)
    return module
