"""What a control model costs a step: all rows led, half of them, and the two kinds in forwards of their own.

The embedded model with its ControlNet of edges, 8 rows at the model's own size; its ControlNet is as a real one beside
its U-Net.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from easel.adapters.control.loading import load_control
from easel.adapters.control.prepared import Hint
from easel.core.settings import read_settings
from easel.core.work import Act, Evaluate, Rows
from easel.engine.runner import perform
from easel.engine.smaller import cut
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from easel.models.library.catalogue import COMPANIONS
from easel.models.library.names import STARTER

ROWS, ROUNDS = 8, 3
EDGES = STARTER.parent / COMPANIONS / "controlnet" / "starter-edges"


def act_of(model: Model) -> Act:
    """Return the act of the starter's ControlNet with a random hint."""
    adapter = load_control(EDGES, model.machine).fitted(model)
    hint = torch.rand(1, 3, model.defaults.height, model.defaults.width).round()
    story, outcome = adapter.prepare(model, Hint(hint)), None
    while True:
        try:
            (outcome,) = perform([story.send(outcome)])
        except StopIteration as stop:
            return Act(adapter, stop.value)


def rows_of(model: Model, act: Act, led: int) -> Rows:
    """Return random rows of which the first `led` are led."""
    unet: Any = model.parts["unet"]
    chance = torch.Generator().manual_seed(0)
    sides = (side // model.latent.downscale for side in (model.defaults.height, model.defaults.width))
    x = torch.randn(ROWS, model.latent.channels, *sides, generator=chance)
    context = torch.randn(ROWS, 77, unet.config.cross_attention_dim, generator=chance)
    acts = tuple((act,) if row < led else () for row in range(ROWS))
    return Rows(x, torch.full((ROWS,), 2.0, dtype=torch.float64), context, acts=acts if led else ())


def seconds(model: Model, *batches: Rows) -> float:
    """Return the seconds in which a step of these batches was fastest, one forward for each."""
    times: list[float] = []
    for _ in range(ROUNDS + 1):
        began = perf_counter()
        for batch in batches:
            (outcome,) = perform([Evaluate(model, batch)])
            if isinstance(outcome, BaseException):
                raise outcome
        times.append(perf_counter() - began)
    return min(times[1:])


def main() -> None:
    """Print the table."""
    model = load(identify(STARTER, "starter"), read_settings())
    act = act_of(model)
    half = rows_of(model, act, ROWS // 2)
    led, plain = cut(half, ROWS // 2)
    ways = {
        f"{ROWS} rows, none led": (replace(half, acts=()),),
        f"{ROWS} rows, all led": (rows_of(model, act, ROWS),),
        f"{ROWS} rows, {ROWS // 2} led, together": (half,),
        f"{ROWS // 2} led and {ROWS // 2} not, apart": (led, plain),
        f"{ROWS} rows, each alone": tuple(cut(half, 1)),
    }
    table = Table(title=f"A ControlNet's cost at a step, {model.machine.words}")
    for heading in ("what", "seconds", "of none led"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    first = 0.0
    for words, batches in ways.items():
        took = seconds(model, *batches)
        first = first or took
        table.add_row(words, f"{took:.3f}", f"{took / first:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
