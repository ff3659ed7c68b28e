"""SD 1.5 at full size with random weights: one guided step at 512x512, Easel beside diffusers, in one run.

Easel loads a whole checkpoint folder and runs a request through its engine; diffusers' U-Net and scheduler take the
same step as StableDiffusionPipeline does. diffusers' default on a processor is float32.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from rich.console import Console
from rich.table import Table
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from easel.core.client import Done, Event
from easel.core.request import Request
from easel.core.settings import read_settings
from easel.core.work import Evaluate
from easel.engine.engine import Engine
from easel.engine.runner import perform
from easel.models.family import load
from easel.models.layouts.identify import identify
from easel.recipes import recipes
from tests.tiny import write_tokenizer

ROUNDS = 3
UNET: dict[str, Any] = {
    "sample_size": 64,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "block_out_channels": (320, 640, 1280, 1280),
}
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "sample_size": 512,
}
TEXT: dict[str, Any] = {"vocab_size": 514, "bos_token_id": 512, "eos_token_id": 513, "pad_token_id": 513} | {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}


def filled(make: Callable[[], nn.Module], dtype: torch.dtype) -> Any:
    """Return a module of small random weights, made without initialising it twice."""
    with torch.device("meta"):
        module = make()
    module = module.to_empty(device="cpu").to(dtype).requires_grad_(False).eval()
    for parameter in module.parameters():
        parameter.normal_(0, 0.02)
    return module


def write_checkpoint(folder: Path) -> Path:
    """Write a diffusers folder of SD 1.5's shapes in float16, about 2 GB."""
    filled(lambda: UNet2DConditionModel(**UNET), torch.float16).save_pretrained(folder / "unet")
    filled(lambda: AutoencoderKL(**VAE), torch.float16).save_pretrained(folder / "vae")
    filled(lambda: CLIPTextModel(CLIPTextConfig(**TEXT)), torch.float16).save_pretrained(folder / "text_encoder")
    write_tokenizer(folder / "tokenizer")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"prediction_type": "epsilon"}))
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    return folder


@torch.inference_mode()
def diffusers_step(dtype: torch.dtype) -> float:
    """Return the median seconds of one step as StableDiffusionPipeline takes it: U-Net, guidance, scheduler."""
    unet, scheduler = filled(lambda: UNet2DConditionModel(**UNET), dtype), DDIMScheduler()
    scheduler.set_timesteps(20)
    latents, text = torch.randn(1, 4, 64, 64, dtype=dtype), torch.randn(2, 77, 768, dtype=dtype)
    t = scheduler.timesteps[5]
    times: list[float] = []
    for _ in range(ROUNDS + 1):
        began = perf_counter()
        uncond, cond = unet(torch.cat([latents] * 2), t, text, return_dict=False)[0].chunk(2)
        scheduler.step(uncond + 7.5 * (cond - uncond), int(t), latents, return_dict=False)
        times.append(perf_counter() - began)
    return median(times[1:])


def easel_step(folder: Path) -> tuple[str, float, float, float]:
    """Return Easel's number format here, and the seconds of loading, of one step, and of decoding.

    A step is the time from one evaluation to the next: rows, U-Net, guidance, sampler and the engine's own work.
    """
    began = perf_counter()
    model: Any = load(identify(folder), read_settings())
    loading = perf_counter() - began
    stamps: list[tuple[str, float]] = []
    endings: list[Event] = []

    def timed(works: Sequence[Any]) -> list[Any]:
        stamps.append((type(works[0]).__name__, perf_counter()))
        return perform(works)

    engine = Engine(perform=timed)
    request = Request(prompt="a fox", seed=1, steps=ROUNDS + 2, sampler="Euler")
    engine.add("one", recipes["text_to_image"].make(request, model), endings.append)
    while engine.step():
        pass
    assert isinstance(endings[-1], Done), endings[-1]
    assert endings[-1].result.pictures[0].image.size == (512, 512)
    evaluations = [time for kind, time in stamps if kind == Evaluate.__name__]
    steps = [after - before for before, after in pairwise(evaluations)]
    decoding = stamps[-1][1] - stamps[-2][1]
    return str(model.machine.dtype).removeprefix("torch."), loading, median(steps[1:]), decoding


def main() -> None:
    """Print the table."""
    table = Table(title="SD 1.5 at full size, one guided step at 512x512")
    for heading in ("engine", "format", "seconds", "of diffusers' default"):
        table.add_column(heading, justify="right")
    default = diffusers_step(torch.float32)
    table.add_row("diffusers (default)", "float32", f"{default:.2f}", "1.00")
    half = diffusers_step(torch.bfloat16)
    table.add_row("diffusers", "bfloat16", f"{half:.2f}", f"{half / default:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        chosen, loading, ours, decoding = easel_step(write_checkpoint(Path(folder)))
    table.add_row("Easel", chosen, f"{ours:.2f}", f"{ours / default:.2f}")
    Console().print(table)
    print(f"Easel loaded the 2 GB folder in {loading:.1f} s and decoded 512x512 in {decoding:.1f} s.")


if __name__ == "__main__":
    main()
