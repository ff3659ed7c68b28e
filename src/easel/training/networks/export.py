"""Writes the trained parts as one folder in diffusers' layout, safetensors in few bits and small files; reads it too.

Knows neither how the parts were trained nor who draws with them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

from easel.training.networks.blocks import swift
from easel.training.networks.tokenizer import load_tokenizer
from easel.training.networks.towers import Towers
from easel.training.networks.unet import BETA_END, BETA_START, SCALE, STEPS

LARGEST_FILE = "15MB"
LARGEST_FOLDER = 40_000_000  # bytes
AGREEMENT = "agreement.safetensors"  # the text projection and temperature that join the towers

MODEL_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.1",
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}

# What the model draws best with, for where a request is silent; models/sd.py reads it.
HABITS = {"sampler": "DPM++ 2M", "schedule": "SGM Uniform", "scale": SCALE}


def picture_processor(side: int) -> dict[str, Any]:
    """transformers' CLIPImageProcessor for the picture tower: the whole picture at `side` pixels, -1..1."""
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"height": side, "width": side},
        "resample": 4,
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }


def make_scheduler() -> DDIMScheduler:
    """The noise schedule the base model was trained on, as diffusers writes it."""
    return DDIMScheduler(
        num_train_timesteps=STEPS,
        beta_start=BETA_START,
        beta_end=BETA_END,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="trailing",
    )


def half_copy(module: nn.Module) -> dict[str, torch.Tensor]:
    """A module's weights in float16 on the CPU."""
    return {
        name: (t.detach().half() if t.is_floating_point() else t.detach()).cpu().contiguous()
        for name, t in module.state_dict().items()
    }


def save_half(module: Any, source: nn.Module, folder: Path) -> None:
    """Saves `module`, made anew from a config, with the weights of `source` in float16."""
    module.half().load_state_dict(half_copy(source))
    module.save_pretrained(folder, max_shard_size=LARGEST_FILE)


def round_to_eight_bits(folder: Path) -> None:
    """Rewrites the files of an exported part with matrices and filters in float8 (e4m3); the rest stays float16."""
    for file in folder.glob("*.safetensors"):
        tensors = load_file(file)
        rounded = {name: t.to(torch.float8_e4m3fn) if t.ndim >= 2 else t for name, t in tensors.items()}
        save_file(rounded, file, metadata={"format": "pt"})


def write_json(path: Path, value: Any) -> None:
    """Writes a value as indented JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def export(
    folder: Path,
    tokenizer: CLIPTokenizer,
    towers: Towers,
    autoencoder: AutoencoderKL,
    unet: UNet2DConditionModel,
    *,
    eight_bits: bool = False,
) -> Path:
    """Writes all parts to `folder`, replacing what stood there only when everything is written.

    eight_bits: keep the U-Net's matrices and filters in float8, at half the size.
    """
    passing = folder.with_name(folder.name + ".part")
    shutil.rmtree(passing, ignore_errors=True)
    text = CLIPTextModel(towers.text.config)
    save_half(text, towers.text.text_model, passing / "text_encoder")
    save_half(CLIPVisionModelWithProjection(towers.vision.config), towers.vision, passing / "image_encoder")
    save_half(AutoencoderKL.from_config(autoencoder.config), autoencoder, passing / "vae")
    save_half(UNet2DConditionModel.from_config(unet.config), unet, passing / "unet")
    if eight_bits:
        round_to_eight_bits(passing / "unet")
    agreement = {
        "text_projection.weight": towers.text.text_projection.weight.detach().half().cpu().contiguous(),
        "logit_scale": towers.scale.detach().float().cpu().reshape(1),
    }
    save_file(agreement, passing / "image_encoder" / AGREEMENT)
    tokenizer.save_pretrained(passing / "tokenizer")
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(Path(str(tokenizer.name_or_path)) / name, passing / "tokenizer" / name)
    make_scheduler().save_pretrained(passing / "scheduler")
    side = int(towers.vision.config.image_size)
    write_json(passing / "feature_extractor" / "preprocessor_config.json", picture_processor(side))
    write_json(passing / "model_index.json", MODEL_INDEX)
    write_json(passing / "easel.json", HABITS)
    files = [path for path in passing.rglob("*") if path.is_file()]
    for path in files:
        path.chmod(0o644)
    size = sum(path.stat().st_size for path in files)
    if size > LARGEST_FOLDER:
        raise ValueError(f"the folder would take {size / 1e6:.1f} MB, more than {LARGEST_FOLDER / 1e6:.0f} MB")
    shutil.rmtree(folder, ignore_errors=True)
    passing.replace(folder)
    return folder


def load(folder: Path) -> tuple[CLIPTokenizer, Towers, AutoencoderKL, UNet2DConditionModel]:
    """The parts of an exported folder in float32, for evaluation or more training."""
    tokenizer = load_tokenizer(folder / "tokenizer")
    text = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    vision = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder", dtype=torch.float32)
    agreement = load_file(folder / "image_encoder" / AGREEMENT)
    towers = Towers.of(text, vision, agreement["text_projection.weight"].float(), float(agreement["logit_scale"]))
    autoencoder = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32, low_cpu_mem_usage=False)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32, low_cpu_mem_usage=False)
    return tokenizer, towers.eval(), swift(autoencoder.eval()), swift(unet.eval())
