"""Sixteen unlike requests to the starter: one after another, and all at once.

Prints forwards and seconds both ways, their ratio, the gain that the bare U-Net has at the same widths and the share of
it that is reached, and how far the pictures stray at worst.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from time import perf_counter
from typing import Any

from easel.core.settings import read_settings
from easel.models.vendor import answer_mkl

if __name__ == "__main__" and read_settings().answer_mkl:
    answer_mkl()  # before torch, as easel.app does it

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from easel.core.passes import Guidance
from easel.core.request import Request
from easel.core.work import Decode, Evaluate, Rows, Text
from easel.engine.engine import Engine
from easel.engine.runner import perform
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from easel.models.library.names import STARTER
from easel.recipes import recipes

SAMPLERS = ("Euler", "Euler a", "DPM++ 2M", "Heun")
PROMPTS = ("a red fox", "빨간 사과", "a whale on a blue background", "a cat and a car")


def requests() -> list[Request]:
    """Four samplers, 8 to 28 steps, three guidance scales, sixteen seeds."""
    return [
        Request(
            prompt=PROMPTS[i % 4],
            sampler=SAMPLERS[i // 4],
            steps=8 + (i * 20) // 15,
            guidance=Guidance(scale=(3.0, 5.0, 7.5)[i % 3]),
            seed=i,
        )
        for i in range(16)
    ]


class Timed:
    """An engine that notes how wide each forward was and what was decoded."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.widths: list[int] = []
        self.latents: dict[str, Tensor] = {}
        self.engine = Engine(perform=self.perform)

    def perform(self, works: Sequence[Any]) -> list[Any]:
        if isinstance(works[0], Evaluate):
            self.widths.append(sum(work.rows for work in works))
        for run in self.engine.runs.values():
            if isinstance(run.pending, Decode):
                self.latents[run.id] = run.pending.latents
        return perform(works)

    def run(self, asked: dict[str, Request]) -> float:
        """Return the seconds that all of `asked` take together."""
        began = perf_counter()
        for id, request in asked.items():
            self.engine.add(id, recipes[request.recipe].make(request, self.model), lambda event: None)
        while self.engine.step():
            pass
        return perf_counter() - began


@torch.inference_mode()
def seconds_of_forward(model: Model, width: int, rounds: int = 5) -> float:
    """Return the median seconds of one bare forward of `width` rows at the model's own size."""
    cell = model.latent.downscale
    side = (model.defaults.height // cell, model.defaults.width // cell)
    (lead,) = model.encode([Text("a fox")])
    rows = Rows(
        torch.randn(width, model.latent.channels, *side),
        torch.full((width,), 3.0, dtype=torch.float64),
        lead.context.expand(width, -1, -1),
    )
    times: list[float] = []
    for _ in range(rounds + 1):
        began = perf_counter()
        model.predict(rows)
        times.append(perf_counter() - began)
    return median(times[1:])


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of latents."""
    error = float((a.double() - b.double()).square().mean())
    return math.inf if error == 0 else 10 * math.log10(float(a.max() - a.min()) ** 2 / error)


def measure(precision: str) -> tuple[str, ...]:
    """Return one row of the table."""
    model = load(identify(STARTER, "starter"), read_settings(precision=precision))
    asked = {str(i): request for i, request in enumerate(requests())}
    Timed(model).run({"warm": asked["0"]})
    alone, together = Timed(model), Timed(model)
    seconds_alone = sum(alone.run({id: request}) for id, request in asked.items())
    seconds_together = together.run(asked)
    cost = {width: seconds_of_forward(model, width) for width in sorted({*alone.widths, *together.widths})}
    bare = sum(cost[width] for width in alone.widths) / sum(cost[width] for width in together.widths)
    gain = seconds_alone / seconds_together
    worst = min(psnr(alone.latents[id], together.latents[id]) for id in asked)
    return (
        precision,
        f"{len(alone.widths)} / {len(together.widths)}",
        f"{seconds_alone:.2f}",
        f"{seconds_together:.2f}",
        f"{gain:.2f}x",
        f"{bare:.2f}x",
        f"{gain / bare:.0%}",
        f"{worst:.0f} dB",
    )


def main() -> None:
    """Print the table."""
    table = Table(title="16 unlike starter requests")
    for heading in ("format", "forwards", "alone", "together", "gain", "bare", "share", "PSNR"):
        table.add_column(heading, justify="right")
    for precision in ("float32", "bfloat16"):
        table.add_row(*measure(precision))
    Console().print(table)


if __name__ == "__main__":
    main()
