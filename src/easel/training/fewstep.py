"""Makes the starter's LoRA of four steps: `python -m easel.training.fewstep --minutes 60`.

A program alone; what is learned and how stands in companions/distillation.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from easel.models.vendor import answer_mkl
from easel.training.companions.opening import (
    MODEL,
    PRACTISED,
    Device,
    Kit,
    ModelFolder,
    Subjects,
    Threads,
    Where,
    opened,
)


def main(
    minutes: Annotated[
        float, typer.Option(min=0.01, help="Training minutes, besides drawing the teacher's curves.")
    ] = 60,
    out: Annotated[Path, typer.Option(help="Folder of curves, checkpoints, sheets and the LoRA.")] = Path(
        "work/fewstep"
    ),
    model: ModelFolder = MODEL,
    threads: Threads = 0,
    subjects: Subjects = PRACTISED,
    kit: Kit = None,
    device: Where = Device.AUTO,
    rate: Annotated[float, typer.Option(min=1e-6, max=1, help="Learning rate.")] = 5e-4,
    rank: Annotated[int, typer.Option(min=1, help="That is trained; the file keeps the best of it.")] = 21,
    pictures: Annotated[int, typer.Option(min=1, help="Curves of the teacher that are practised.")] = 2048,
    batch: Annotated[int, typer.Option(min=1, help="Curves a step.")] = 16,
) -> None:
    """Distils the starter into a LoRA of four steps; goes on from the last checkpoint."""
    answer_mkl()  # before torch is imported

    from easel.training.companions.distillation import FewStepConfig, distil
    from easel.training.learning.loop import Plan

    *parts, source = opened(model, device, threads, subjects, kit)
    plan = Plan(minutes=minutes, learning_rate=rate, warmup=30, weight_decay=0.0, average=0.995)
    config = FewStepConfig(rank=rank, pictures=pictures, batch=batch)
    distil(*parts, source.subjects, config, plan, out)


if __name__ == "__main__":
    typer.run(main)
