"""The U-Net draws a seed alike in any company, and an exported model is diffusers' folder, read as it was written."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from easel.training.embedded.recipe import toy
from easel.training.networks.export import load
from easel.training.networks.unet import draw, make_unet, sample_latents


def test_a_seed_draws_the_same_in_any_company() -> None:
    torch.manual_seed(0)
    unet = make_unet(toy().base, 32, 8).eval()
    contexts, empty = torch.randn(3, 77, 32), torch.zeros(1, 77, 32)
    together = sample_latents(unet, contexts, empty, (5, 6, 7), 8, steps=3)
    alone = sample_latents(unet, contexts[1:2], empty, (6,), 8, steps=3)
    assert together.shape == (3, 4, 8, 8)
    assert (together[1] - alone[0]).abs().max() < 0.1 < (together[0] - together[1]).abs().max()  # bfloat16


def test_the_export_is_a_diffusers_folder(exported: Path) -> None:
    index = json.loads((exported / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"
    for name in ("text_encoder", "image_encoder", "tokenizer", "unet", "vae", "scheduler", "feature_extractor"):
        assert (exported / name).is_dir() and name in index
    scheduler = json.loads((exported / "scheduler" / "scheduler_config.json").read_text())
    assert scheduler["prediction_type"] == "v_prediction" and scheduler["beta_end"] == 0.025
    text = json.loads((exported / "text_encoder" / "config.json").read_text())
    assert text["eos_token_id"] == text["vocab_size"] - 1


def test_the_exported_parts_work_together(exported: Path) -> None:
    tokenizer, towers, autoencoder, unet = load(exported)
    pictures = draw(unet, autoencoder, towers, tokenizer, ["여우"], [1], steps=1)
    assert pictures.shape == (1, 3, 128, 128) and float(pictures.abs().max()) <= 1
