"""SD 1.5 at full size with random weights: one guided step at 512x512, Easel beside diffusers, in one run.

Easel loads a whole checkpoint folder and runs a request through its engine; diffusers' U-Net and scheduler take the
same step as StableDiffusionPipeline does. diffusers' default on a processor is float32. OpenVINO runs diffusers' U-Net,
converted for this one size, where it is installed; its step is the U-Net alone. Each has a process of its own, one
after the other: `python -m benchmarks.sd15_step [engine]`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

from easel.core.settings import read_settings
from easel.models.vendor import answer_mkl

if __name__ == "__main__" and sys.argv[1:] == ["easel"] and read_settings().answer_mkl:
    answer_mkl()  # before torch, as easel.app does it

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from easel.core.client import Done, Event
from easel.core.request import Request
from easel.core.work import Evaluate
from easel.engine.engine import Engine
from easel.engine.runner import perform
from easel.models.family import load
from easel.models.layouts.identify import identify
from easel.recipes import recipes
from tests.tiny import write_tokenizer

ROUNDS = 3
ENGINES = ("diffusers", "diffusers bfloat16", "openvino", "easel")  # the first is what others are held against
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
def diffusers_step(dtype: torch.dtype) -> dict[str, Any]:
    """Measure one step as StableDiffusionPipeline takes it: U-Net, guidance, scheduler."""
    unet, scheduler = filled(lambda: UNet2DConditionModel(**UNET), dtype), DDIMScheduler()
    scheduler.set_timesteps(20)
    latents, text = torch.randn(1, 4, 64, 64, dtype=dtype), torch.randn(2, 77, 768, dtype=dtype)
    t = scheduler.timesteps[5]

    def step() -> None:
        uncond, cond = unet(torch.cat([latents] * 2), t, text, return_dict=False)[0].chunk(2)
        scheduler.step(uncond + 7.5 * (cond - uncond), int(t), latents, return_dict=False)

    return timed(step) | {"format": str(dtype).removeprefix("torch.")}


class Bare(nn.Module):
    """A U-Net from tensors to a tensor, as converters read it."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        return self.unet(x, t, context, return_dict=False)[0]


def openvino_step() -> dict[str, Any]:
    """Measure a forward of diffusers' U-Net as OpenVINO converts it, in bfloat16; say so where there is no OpenVINO."""
    try:
        import openvino  # pyright: ignore[reportMissingImports]
    except ImportError:
        return {"skipped": "openvino is not installed"}
    unet = Bare(filled(lambda: UNet2DConditionModel(**UNET), torch.float32))
    inputs = (torch.randn(2, 4, 64, 64), torch.tensor(500.0), torch.randn(2, 77, 768))
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        model = openvino.convert_model(unet, example_input=inputs, input=[list(part.shape) for part in inputs])
        openvino.save_model(model, Path(folder) / "unet.xml")
        del unet, model
        told = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": str(torch.get_num_threads())}
        compiled = openvino.Core().compile_model(Path(folder) / "unet.xml", "CPU", told).create_infer_request()
        return timed(lambda: compiled.infer([part.numpy() for part in inputs])) | {"format": "bfloat16"}


def timed(step: Callable[[], Any]) -> dict[str, Any]:
    """Return the median seconds of a step and the processor's seconds, the first not counted."""
    step()
    times: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        began, busy = perf_counter(), process_time()
        step()
        times.append((perf_counter() - began, process_time() - busy))
    return {"seconds": median(wall for wall, _ in times), "busy": median(busy for _, busy in times)}


def easel_step(folder: Path) -> dict[str, Any]:
    """Measure loading, one step and decoding in Easel.

    A step is the time from one evaluation to the next: rows, U-Net, guidance, sampler and the engine's own work.
    """
    began = perf_counter()
    model: Any = load(identify(folder), read_settings())
    loading = perf_counter() - began
    stamps: list[tuple[str, float, float]] = []
    endings: list[Event] = []

    def stamped(works: Sequence[Any]) -> list[Any]:
        stamps.append((type(works[0]).__name__, perf_counter(), process_time()))
        return perform(works)

    engine = Engine(perform=stamped)
    request = Request(prompt="a fox", seed=1, steps=ROUNDS + 2, sampler="Euler")
    engine.add("one", recipes["text_to_image"].make(request, model), endings.append)
    while engine.step():
        pass
    assert isinstance(endings[-1], Done), endings[-1]
    assert endings[-1].result.pictures[0].image.size == (512, 512)
    evaluations = [(wall, busy) for kind, wall, busy in stamps if kind == Evaluate.__name__]
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(evaluations)][1:]
    return {
        "format": str(model.machine.dtype).removeprefix("torch."),
        "seconds": median(wall for wall, _ in steps),
        "busy": median(busy for _, busy in steps),
        "loading": loading,
        "decoding": stamps[-1][1] - stamps[-2][1],
    }


def measured(engine: str) -> dict[str, Any]:
    """Return what one engine takes, and the most memory that this process had, in GB."""
    if engine == "easel":
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "benchmarks.sd15_step", f"checkpoint:{folder}"], check=True)
            found = easel_step(Path(folder))
    elif engine == "openvino":
        found = openvino_step()
    else:
        found = diffusers_step(torch.float32 if engine == "diffusers" else torch.bfloat16)
    return found | {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}


def main() -> None:
    """Print the table, or one engine's figures for it."""
    if sys.argv[1:] and sys.argv[1].startswith("checkpoint:"):
        write_checkpoint(Path(sys.argv[1].removeprefix("checkpoint:")))
        return
    if sys.argv[1:]:
        print(json.dumps(measured(sys.argv[1])))
        return
    table = Table(title="SD 1.5 at full size, one guided step at 512x512")
    for heading in ("engine", "format", "seconds", "busy", "of diffusers' default", "memory"):
        table.add_column(heading, justify="right")
    default = 0.0
    for engine in ENGINES:
        command = [sys.executable, "-m", "benchmarks.sd15_step", engine]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        if "skipped" in found:
            print(f"{engine}: {found['skipped']}")
            continue
        seconds = found["seconds"]
        default = default or seconds
        ratio, memory = f"{seconds / default:.2f}", f"{found['memory']:.1f} GB"
        table.add_row(engine, found["format"], f"{seconds:.2f}", f"{found['busy']:.2f}", ratio, memory)
        if "loading" in found:
            print(
                f"Easel loaded the 2 GB folder in {found['loading']:.1f} s, decoded 512x512 in {found['decoding']:.1f}."
            )
    Console().print(table)


if __name__ == "__main__":
    main()
