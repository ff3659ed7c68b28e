"""LoRA at the size of Stable Diffusion 1.5: what a switch costs, and what a step costs for rows that wear their own.

A U-Net of random weights and kohya-like files of rank 32 for all its attention; a batch of 4 rows, 256x256.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from rich.console import Console
from rich.table import Table
from safetensors.torch import save_file
from torch import nn

from benchmarks.sd15_step import UNET, filled
from easel.adapters.networks.fitting import Fitted, Wearing, fitted
from easel.adapters.networks.merging import merged, put_on
from easel.adapters.networks.reading import read_network
from easel.adapters.networks.rows import Rack

RANK = 32
ROWS = 4
LATENT = 32
ROUNDS = 2


def timed(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Return the seconds of the fastest of some rounds, the first of which does not count."""
    times: list[float] = []
    for _ in range(rounds + 1):
        began = perf_counter()
        work()
        times.append(perf_counter() - began)
    return min(times[1:])


def write_lora(unet: nn.Module, file: Path, seed: int) -> None:
    """Write a LoRA of kohya's build in float16."""
    made = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for name, layer in unet.named_modules():
        if "attentions" in name and isinstance(layer, nn.Linear | nn.Conv2d):
            stem, shape = "lora_unet_" + name.replace(".", "_"), layer.weight.shape
            down = torch.randn(RANK, *shape[1:], generator=made) * 0.01
            up = torch.randn(shape[0], RANK, *[1] * (len(shape) - 2), generator=made) * 0.01
            tensors |= {f"{stem}.lora_down.weight": down.half(), f"{stem}.lora_up.weight": up.half()}
            tensors[f"{stem}.alpha"] = torch.tensor(RANK / 2)
    save_file(tensors, file)


def stepping(unet: Any) -> Callable[[], torch.Tensor]:
    """Return one forward of the batch."""
    made = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, 4, LATENT, LATENT, generator=made).to(unet.dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    text = torch.randn(ROWS, 77, 768, generator=made).to(unet.dtype)

    @torch.inference_mode()
    def step() -> torch.Tensor:
        return unet(x, torch.full((ROWS,), 500.0), text, return_dict=False)[0]

    return step


def strayed(step: Callable[[], torch.Tensor], unet: nn.Module, wearing: Wearing) -> float:
    """Return how far rows stray from merged, of the largest number merged gives."""
    with merged(unet, wearing):
        whole = step().float()
    with Rack(unet, [wearing]).on([0] * ROWS):
        rows = step().float()
    return float((rows - whole).abs().max() / whole.abs().max())


def measured(dtype: torch.dtype, folder: Path) -> list[tuple[str, str]]:
    """Return the rows of the table for one number format."""
    unet: Any = filled(lambda: UNet2DConditionModel(**UNET), dtype)
    files = [folder / f"{seed}.safetensors" for seed in range(ROWS)]
    for seed, file in enumerate(files):
        if not file.exists():
            write_lora(unet, file, seed)
    began = perf_counter()
    networks = [read_network(file) for file in files]
    reading = (perf_counter() - began) / ROWS
    fits: list[Fitted] = []
    fitting = timed(lambda: fits.append(fitted(networks[0], {"unet": unet}).parts["unet"]))
    fits = [fitted(network, {"unet": unet}).parts["unet"] for network in networks]
    wearings: Sequence[Wearing] = [[(fit, 0.8)] for fit in fits]
    on = timed(lambda: put_on(unet, wearings[0])())
    rack = timed(lambda: Rack(unet, wearings[:1]))
    step = stepping(unet)
    found = [
        ("read a file", f"{reading:.3f} s"),
        ("fit it to the model", f"{fitting:.3f} s"),
        ("merge it and take it off", f"{on:.3f} s"),
        ("make it ready for rows", f"{rack:.3f} s"),
    ]
    bare = timed(step)
    found.append(("a step of 4 rows, nothing worn", f"{bare:.3f} s"))
    with merged(unet, wearings[0]):
        found.append(("  merged", f"{timed(step) / bare:.2f} of it"))
    for distinct in (1, 2, 4):
        held = Rack(unet, wearings[:distinct])
        with held.on([row % distinct for row in range(ROWS)]):
            found.append((f"  by rows, {distinct} unlike", f"{timed(step) / bare:.2f} of it"))
    with Rack(unet, wearings[:1]).on([0, None, None, None]):
        found.append(("  by rows, one row of four", f"{timed(step) / bare:.2f} of it"))
    ready = sum(
        part.nbytes
        for hung in Rack(unet, wearings[:1]).hung.values()
        for part in (hung.down, hung.up)
        if part is not None
    )
    touched = sum(unet.get_submodule(name).weight.nbytes for name in fits[0].pieces)
    found.append(("memory, by rows, each", f"{ready / 2**20:.0f} MiB"))
    found.append(("memory, merged", f"{touched / 2**20:.0f} MiB"))
    found.append(("rows from merged, at most", f"{strayed(step, unet, wearings[0]):.1e}"))
    return found


def main() -> None:
    """Print the table."""
    table = Table(title=f"LoRA of rank {RANK} for Stable Diffusion 1.5's U-Net, {torch.get_num_threads()} threads")
    table.add_column("what")
    columns: list[list[tuple[str, str]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for dtype in (torch.bfloat16, torch.float32):
            table.add_column(str(dtype).removeprefix("torch."), justify="right")
            columns.append(measured(dtype, Path(folder)))
    for first, second in zip(*columns, strict=True):
        table.add_row(first[0], first[1], second[1])
    Console().print(table)


if __name__ == "__main__":
    main()
