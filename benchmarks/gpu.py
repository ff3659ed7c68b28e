"""Easel on a graphics card beside diffusers, eager and compiled, in one run: the figures that docs/speed.md asks for.

Weights are random, of published shapes, made in place. A row that needs more seconds than the run has left is told as
skipped. `python -m benchmarks.gpu [--toy] [--seconds N] [--json FILE]`; --toy makes everything small, so that the whole
program can be tried without a card. Each row loads its model anew, in this process.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks._shapes import SD15, SDXL, Shape, toy, write_checkpoint
from easel.core.settings import read_settings
from easel.models.gpu.widths import WIDTHS

STEPS = 20
PASSES = 20  # forwards timed for one figure


@dataclass
class Table:
    """The rows, printed as they come, and kept in a file as they come. deadline: of the whole run, by perf_counter."""

    deadline: float
    machine: str = ""
    file: Path | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)

    def measure(self, name: str, goal: str, needs: float, do: Callable[[], dict[str, Any]]) -> None:
        """Add a row of the figures that `do` returns. needs: seconds without which it is not begun."""
        began = perf_counter()
        if self.deadline - began < needs:
            found = {"told": f"skipped: {needs:.0f} s needed, {max(self.deadline - began, 0):.0f} left"}
        else:
            try:
                found = do()
            except Exception as error:  # a row that fails is told, and the others are measured
                found = {"told": f"failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"}
        row = {"row": name, "goal": goal, "took": round(perf_counter() - began, 2), **found}
        self.rows.append(row)
        print(f"{name:<42} {told(row):<50} {goal}".rstrip(), flush=True)
        if self.file is not None:
            self.file.write_text(json.dumps({"machine": self.machine, "rows": self.rows}, indent=1) + "\n")
        given_back()


def told(row: dict[str, Any]) -> str:
    """Return the figures of a row as text."""
    figures = {name: value for name, value in row.items() if name not in ("row", "goal", "took")}
    return figures.get("told") or ", ".join(f"{value} {name}" for name, value in figures.items())


def eased(folder: Path, **settings: Any) -> Any:
    """Return a checkpoint's model, loaded by Easel under settings."""
    from easel.models.family import load
    from easel.models.layouts.identify import identify

    return load(identify(folder), read_settings(**settings))


def given_back() -> None:
    """Let go of what the row before has left on the card."""
    import torch

    gc.collect()
    torch.compiler.reset()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def synchronise() -> None:
    """Wait for the card, where there is one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(do: Callable[[], Any], passes: int) -> float:
    """Return the median seconds of a call, after some that are not counted."""
    passes = max(passes, 1)
    for _ in range(min(passes, 3)):
        do()
    found: list[float] = []
    for _ in range(passes):
        synchronise()
        began = perf_counter()
        do()
        synchronise()
        found.append(perf_counter() - began)
    return median(found)


def drawn(model: Any, pictures: int, steps: int, side: int) -> float:
    """Return the seconds in which an engine draws so many pictures, each asked for by itself, of unlike samplers."""
    from easel.core.client import Done, Failed
    from easel.core.request import Request
    from easel.engine.engine import Engine
    from easel.engine.flights import begin
    from easel.engine.runner import performer, widths_of
    from easel.recipes.common import tell

    engine = Engine(64, performer(lambda wanted: model), begin, widths_of)
    ends: list[Any] = []
    synchronise()
    began = perf_counter()
    for number in range(pictures):
        sampler = ("Euler", "DPM++ 2M", "DDIM")[number % 3]
        request = Request(prompt="a", seed=number, steps=steps, width=side, height=side, sampler=sampler).settled()
        engine.add(str(number), tell(request, model), lambda event: ends.append(event))
    while engine.step():
        pass
    for end in ends:
        if isinstance(end, Failed):
            raise end.error
    assert sum(isinstance(end, Done) for end in ends) == pictures
    return perf_counter() - began


def rows_of(model: Any, rows: int, side: int) -> Any:
    """Return rows as a request's evaluations have them."""
    import torch

    from easel.core.work import Rows, Text

    (one,) = model.encode([Text("a")])
    cells = side // model.latent.downscale
    return Rows(
        x=torch.randn(rows, model.latent.channels, cells, cells),
        sigma=torch.full((rows,), 1.0, dtype=torch.float64),
        context=one.context.expand(rows, *one.context.shape).contiguous(),
        extra={name: value.expand(rows, *value.shape).contiguous() for name, value in one.extra.items()},
    )


def forwards_of(model: Any, side: int, passes: int) -> dict[str, Any]:
    """Return milliseconds of a forward by its rows, as the engine calls it."""
    import torch

    found: dict[str, Any] = {}
    with torch.inference_mode():
        for rows in WIDTHS:
            batch = rows_of(model, rows, side)
            found[str(rows)] = round(1000 * timed(lambda batch=batch: model.predict(batch), passes), 2)
    return found


class Diffusers:
    """What StableDiffusionPipeline does in a step: its U-Net for two rows, guidance, its scheduler."""

    def __init__(self, shape: Shape, folder: Path, device: str, *, compiled: bool) -> None:
        import torch
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler

        dtype = torch.bfloat16
        unet: Any = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=dtype)
        vae: Any = AutoencoderKL.from_pretrained(folder, subfolder="vae", torch_dtype=dtype)
        self.unet, self.vae = (part.to(device, memory_format=torch.channels_last) for part in (unet, vae))
        self.scheduler = DDIMScheduler()
        self.scheduler.set_timesteps(STEPS)
        cells = shape.side // 8
        width = shape.unet["cross_attention_dim"]
        self.latents = torch.randn(1, 4, cells, cells, dtype=dtype, device=device)
        self.text = torch.randn(2, 77, width, dtype=dtype, device=device)
        self.added: dict[str, Any] | None = None
        if len(shape.texts) > 1:
            pooled = shape.texts["text_encoder_2"]["projection_dim"]
            self.added = {
                "text_embeds": torch.randn(2, pooled, dtype=dtype, device=device),
                "time_ids": torch.tensor([[shape.side, shape.side, 0, 0, shape.side, shape.side]] * 2, device=device),
            }
        if compiled:
            self.unet = torch.compile(self.unet, mode="reduce-overhead")  # with CUDA graphs of its own
            self.vae.decode = torch.compile(self.vae.decode)

    def step(self) -> None:
        """Take a guided step."""
        import torch

        t = self.scheduler.timesteps[STEPS // 2]
        both = torch.cat([self.latents] * 2)
        found = self.unet(both, t, self.text, added_cond_kwargs=self.added, return_dict=False)[0]
        without, led = found.chunk(2)
        self.scheduler.step(without + 7.5 * (led - without), int(t), self.latents, return_dict=False)

    def decode(self) -> None:
        """Decode one picture to the machine's memory."""
        self.vae.decode(self.latents, return_dict=False)[0].float().cpu()


@dataclass(frozen=True)
class Bench:
    """What every row is told. device: where; passes: forwards timed for a figure; load: pictures at full load."""

    device: str
    toy: bool
    passes: int
    load: int
    steps: int

    def settings(self, **more: Any) -> dict[str, Any]:
        """Return Easel's settings for a row."""
        return {"device": self.device, **({"precision": "float32"} if self.toy else {"precision": "bfloat16"}), **more}


def step_row(bench: Bench, folder: Path, shape: Shape, settings: dict[str, Any]) -> dict[str, Any]:
    """Return guided steps a second of one picture, its latents coming and going as the engine has them."""
    import torch

    model = eased(folder, **settings)
    with torch.inference_mode():
        batch = rows_of(model, 2, shape.side)
        took = timed(lambda: model.predict(batch), bench.passes)
        return {"it/s": round(1 / took, 1), "ms": round(1000 * took, 2)}


def diffusers_row(bench: Bench, folder: Path, shape: Shape, *, compiled: bool) -> dict[str, Any]:
    """Return the same of diffusers, and its decode."""
    import torch

    with torch.inference_mode():
        one = Diffusers(shape, folder, bench.device, compiled=compiled)
        took, decode = timed(one.step, bench.passes), timed(one.decode, bench.passes // 4)
    return {"it/s": round(1 / took, 1), "ms": round(1000 * took, 2), "ms decode": round(1000 * decode, 1)}


def load_row(bench: Bench, folder: Path, shape: Shape, settings: dict[str, Any]) -> dict[str, Any]:
    """Return pictures a second with as many requests at once as fill the card, after a round that is not counted."""
    model = eased(folder, **settings)
    drawn(model, bench.load, 2, shape.side)
    took = drawn(model, bench.load, bench.steps, shape.side)
    alone = drawn(model, 1, bench.steps, shape.side)
    return {"pictures/s": round(bench.load / took, 2), "s alone": round(alone, 3)}


def curve_row(bench: Bench, folder: Path, shape: Shape, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the cost curve that benchmarks/simulate.py takes: milliseconds by rows."""
    model = eased(folder, **settings)
    return {f"ms at {rows}": value for rows, value in forwards_of(model, shape.side, bench.passes // 2).items()}


def decode_row(bench: Bench, folder: Path, shape: Shape, settings: dict[str, Any]) -> dict[str, Any]:
    """Return milliseconds of a decode, to numbers in the machine's memory."""
    import torch

    model = eased(folder, **settings)
    with torch.inference_mode():
        cells = shape.side // model.latent.downscale
        latents = torch.randn(1, model.latent.channels, cells, cells)
        return {"ms": round(1000 * timed(lambda: model.decode(latents), bench.passes // 4), 1)}


def cold_row(bench: Bench, folder: Path, shape: Shape) -> dict[str, Any]:
    """Return the seconds from a new process's start to its first picture, the files in the page cache."""
    code = (
        "import sys\n"
        "from easel.studio import load\n"
        "with load(sys.argv[1], device=sys.argv[2]) as studio:\n"
        "    size = int(sys.argv[4])\n"
        "    studio.text_to_image('a', steps=int(sys.argv[3]), width=size, height=size)\n"
    )
    began = perf_counter()
    given = [str(folder), bench.device, str(bench.steps), str(shape.side)]
    ended = subprocess.run([sys.executable, "-c", code, *given], capture_output=True, text=True, timeout=120)
    if ended.returncode:
        raise RuntimeError(ended.stderr.strip().splitlines()[-1] if ended.stderr.strip() else "no word")
    return {"s": round(perf_counter() - began, 2)}


def measured(bench: Bench, table: Table) -> None:
    """Measure every row: first what needs no compiler, the dearest to compile last."""
    asis, recorded = bench.settings(compile="off", graphs=False), bench.settings(compile="off")
    blocks, whole = bench.settings(compile="regions"), bench.settings(compile="whole")
    shapes = [toy(shape) if bench.toy else shape for shape in (SD15, SDXL)]
    usual = 0.5 if bench.toy else 20.0
    with tempfile.TemporaryDirectory() as folder:
        places = [write_checkpoint(Path(folder) / str(i), shape, bench.device) for i, shape in enumerate(shapes)]
        small, large = zip(shapes, places, strict=True)

        def row(
            of: tuple[Shape, Path], what: str, goal: str, needs: float, do: Callable[..., Any], **more: Any
        ) -> None:
            shape, place = of
            table.measure(f"{shape.name}: {what}", goal, needs, lambda: do(bench, place, shape, **more))

        for of, steps, load, decode in (
            (small, "105 it/s", "15 pictures/s", ""),
            (large, "22 it/s", "", "40 ms"),
        ):
            row(of, "diffusers", "", usual, diffusers_row, compiled=False)
            row(of, "as it is", steps, usual, step_row, settings=asis)
            row(of, "recorded", steps, usual, step_row, settings=recorded)
            row(of, "full load", load, usual, load_row, settings=recorded)
            row(of, "widths", "", usual, curve_row, settings=recorded)
            row(of, "decode", decode, usual, decode_row, settings=recorded)
        if bench.toy:  # to build code without a card takes minutes, and says nothing
            return
        row(small, "first picture of a process", "10 s", 30, cold_row)
        row(small, "blocks compiled", "105 it/s", 60, step_row, settings=blocks)
        row(large, "blocks compiled", "22 it/s", 80, step_row, settings=blocks)
        row(small, "compiled", "105 it/s", 100, step_row, settings=whole)
        row(large, "decode, compiled", "40 ms", 60, decode_row, settings=whole)
        row(small, "diffusers, compiled", "", 120, diffusers_row, compiled=True)
        row(large, "compiled", "22 it/s", 180, step_row, settings=whole)
        row(large, "diffusers, compiled", "", 200, diffusers_row, compiled=True)


def machine_words(device: str) -> str:
    """Return where this runs."""
    import torch

    name = (
        torch.cuda.get_device_name() if device == "cuda" else "no card: figures of a processor at toy sizes say nothing"
    )
    return f"torch {torch.__version__}, {name}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(prog="benchmarks.gpu", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--toy", action="store_true", help="everything small, on a processor too")
    parser.add_argument("--seconds", type=float, default=480.0, help="of the whole run")
    parser.add_argument("--json", type=Path, default=None, help="a file for the table")
    chosen, began = parser.parse_args(arguments), perf_counter()
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not chosen.toy:
        print("no CUDA card here, so nothing is measured; --toy tries the program without one.")
        return 0
    from diffusers.utils import logging
    from transformers.utils import logging as transformers_logging

    for one in (logging, transformers_logging):
        one.set_verbosity_error()
        one.disable_progress_bar()
    sizes = {"passes": 1, "load": 3, "steps": 2} if chosen.toy else {"passes": PASSES, "load": 32, "steps": STEPS}
    table = Table(began + chosen.seconds, machine_words(device), chosen.json)
    print(table.machine)
    measured(Bench(device, chosen.toy, **sizes), table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
