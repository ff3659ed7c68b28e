"""SD 1.5 from one float16 file to ready: Easel beside diffusers' from_single_file, every load in a process of its own.

The file (2.1 GB, random weights, the published layout) is written once, to a folder that git ignores or the one named.
Imports are made before the clock starts. "dropped": the system is asked to forget the file before; "kept": it is in the
system's memory. Loads take turns, so that what else the machine does meets all of them; processor time is what it
disturbs least. Then what a switch between two loaded models takes.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import warnings
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from tests.ldm import FULL_1, checkpoint_shapes, write_ldm
from tests.tiny import write_tokenizer

ROUNDS = 2
SWITCHES = 20
FOLDER = Path("outputs/benchmarks/loading")
FILE, CONFIG = "sd15.safetensors", "config"
# who loads, in which numbers the U-Net then is, and with whom it is compared
LOADS = {
    "diffusers float32": ("float32 (its default)", "diffusers float32"),
    "Easel float32": ("float32", "diffusers float32"),
    "diffusers bfloat16": ("bfloat16, all parts", "diffusers bfloat16"),
    "Easel auto": ("the machine's; VAE and text as in the file", "diffusers bfloat16"),
}


def write(folder: Path) -> None:
    """Write the checkpoint and the configs that diffusers needs in order not to ask the network."""
    chance = torch.Generator().manual_seed(0)
    shapes = checkpoint_shapes(FULL_1)
    tensors = {name: torch.randn(shape, generator=chance).mul_(0.02).half() for name, shape in shapes.items()}
    tensors |= {name: torch.arange(77)[None] for name in shapes if name.endswith("position_ids")}
    write_config(folder / CONFIG)
    write_ldm(folder / "writing.safetensors", tensors).rename(folder / FILE)


def write_config(folder: Path) -> None:
    """Write Stable Diffusion 1.5's configs and a small tokenizer, as a diffusers folder without weights."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from transformers import CLIPTextConfig

    from benchmarks.sd15_step import UNET, VAE

    with torch.device("meta"):
        UNet2DConditionModel(**UNET).save_config(folder / "unet")
        AutoencoderKL(**VAE).save_config(folder / "vae")
    DDIMScheduler(clip_sample=False, steps_offset=1).save_config(folder / "scheduler")
    text: dict[str, Any] = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
    CLIPTextConfig(**text, num_attention_heads=12, projection_dim=768).save_pretrained(folder / "text_encoder")
    write_tokenizer(folder / "tokenizer")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
    }
    (folder / "model_index.json").write_text(json.dumps(index))


def load(who: str, folder: Path) -> dict[str, float]:
    """Load in this process and return wall seconds, processor seconds, and how many GB more it came to hold."""
    warnings.simplefilter("ignore")
    if who.startswith("diffusers"):
        from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
        from diffusers.utils import logging
        from transformers import CLIPTextModel, CLIPTokenizer

        logging.disable_progress_bar()
        dtype = getattr(torch, who.split()[1])

        def ready() -> Any:
            options: Any = {"config": str(folder / CONFIG), "local_files_only": True, "torch_dtype": dtype}
            return StableDiffusionPipeline.from_single_file(str(folder / FILE), **options)
    else:
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL  # noqa: F401
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel  # noqa: F401
        from transformers import CLIPTextModel, CLIPTokenizer  # noqa: F401

        from easel.core.settings import read_settings
        from easel.models.family import load as load_model
        from easel.models.layouts.identify import identify

        def ready() -> Any:
            return load_model(identify(folder / FILE), read_settings(precision=who.split()[1]))

    before, began, used = peak(), perf_counter(), process_time()
    model = ready()
    seconds = perf_counter() - began, process_time() - used
    assert model is not None
    return {"seconds": seconds[0], "processor": seconds[1], "memory": peak() - before}


def peak() -> float:
    """Return the most memory that this process has held, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def forget(file: Path) -> None:
    """Ask the system to drop a file from its memory, where it can be asked."""
    if hasattr(os, "posix_fadvise"):
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measured(folder: Path, rounds: int) -> dict[tuple[str, str], list[dict[str, float]]]:
    """Return what each load took, by who and by the file's state."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(rounds):
        for state in ("dropped", "kept"):
            for who in LOADS:
                if state == "dropped":
                    forget(folder / FILE)
                command = [sys.executable, "-m", "benchmarks.loading", "--one", who, str(folder)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                found.setdefault((who, state), []).append(json.loads(done.stdout.splitlines()[-1]))
    return found


def switching(folder: Path) -> str:
    """Return what it takes to go on with another model, where two were loaded before."""
    from easel.core.settings import read_settings
    from easel.core.work import Wanted
    from easel.engine.shelf import Shelf
    from easel.models.library.names import Library

    settings = read_settings(models=folder, model_folders=())
    shelf = Shelf(Library(settings), settings)
    wanted = [Wanted("model", str(folder / FILE)), Wanted("model", "starter")]
    for one in wanted:
        shelf.load(one)
    times: list[float] = []
    for one in wanted * SWITCHES:
        began = perf_counter()
        shelf.load(one)
        times.append(perf_counter() - began)
    return (
        f"two loaded models, from one to the other: median {median(times) * 1000:.2f} ms, most {max(times) * 1000:.2f}"
    )


def main(folder: Path, rounds: int) -> None:
    """Write the file where it is missing, and print the table."""
    if not (folder / FILE).exists():
        write(folder)
    table = Table(title=f"SD 1.5, one float16 file to ready; medians of {rounds}")
    headings = ("file", "who", "U-Net's numbers", "median s", "least s", "least processor s", "more memory GB")
    headings = (*headings, "of its processor s", "whose")
    for heading in headings:
        table.add_column(heading, justify="right")
    found = measured(folder, rounds)
    for (who, state), runs in sorted(found.items(), key=lambda one: one[0][1]):
        numbers, other = LOADS[who]
        seconds = median(run["seconds"] for run in runs)
        least, processor = (min(run[key] for run in runs) for key in ("seconds", "processor"))
        others = [run["processor"] for run in found[other, state]]
        memory = median(run["memory"] for run in runs)
        figures = (f"{seconds:.2f}", f"{least:.2f}", f"{processor:.2f}", f"{memory:.2f}")
        figures = (*figures, f"{processor / min(others):.2f}", other)
        table.add_row(state, who, numbers, *figures)
    Console(width=150).print(table)
    print(switching(folder))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(load(sys.argv[2], Path(sys.argv[3]))))
    else:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER, int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS)
