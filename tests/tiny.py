"""Real components at tiny size: a diffusers-layout Stable Diffusion folder with random weights, written in a second."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from easel.core.settings import read_settings
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from easel.models.library.names import STARTER


def write_tiny_sd(
    folder: Path,
    *,
    prediction: str = "epsilon",
    seed: int = 0,
    width: int = 32,
    linear_projection: bool = False,
    inpaint: bool = False,
) -> Path:
    """Write a Stable Diffusion of about 200,000 parameters to `folder` as diffusers would, and return the folder.

    inpaint: an inpainting checkpoint, whose U-Net reads 9 channels.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(seed)
    write_tokenizer(folder / "tokenizer")
    text = CLIPTextConfig(
        vocab_size=514,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )
    CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    UNet2DConditionModel(
        sample_size=8,
        in_channels=9 if inpaint else 4,
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=width,
        attention_head_dim=4,
        norm_num_groups=8,
        use_linear_projection=linear_projection,
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        block_out_channels=(16, 16, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=64,
    ).save_pretrained(folder / "vae")
    (folder / "scheduler").mkdir()
    schedule = {
        "_class_name": "DDIMScheduler",
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": prediction,
    }
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(schedule))
    index = {
        "_class_name": "StableDiffusionPipeline",
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "DDIMScheduler"],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def write_tokenizer(folder: Path, pad: str = "<|endoftext|>") -> None:
    """Write CLIP's tokenizer files with bytes alone: 256 letters, 256 word ends, no merges, two marks."""
    from tokenizers.pre_tokenizers import ByteLevel

    folder.mkdir(parents=True)
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": pad}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Stable Diffusion in diffusers layout."""
    return write_tiny_sd(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Model:
    """The tiny model, loaded in float32."""
    return load(identify(tiny_folder), read_settings(precision="float32"))


@pytest.fixture(scope="session")
def tiny_inpainting(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A tiny inpainting checkpoint, loaded in float32."""
    folder = write_tiny_sd(tmp_path_factory.mktemp("models") / "inpainting", inpaint=True)
    return load(identify(folder), read_settings(precision="float32"))


def load_starter() -> Model:
    """Load the embedded model in float32."""
    return load(identify(STARTER, "starter"), read_settings(precision="float32"))


def starter_side() -> int:
    """Return the side in pixels of the square that the embedded model was trained on, as its U-Net's config says."""
    return 8 * json.loads((STARTER / "unet" / "config.json").read_text())["sample_size"]
