"""Makes the starter's inpainting variant: `python -m easel.training.inpainting --minutes 40`.

A program alone; what is learned and how stands in companions/repainting.py.
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
    minutes: Annotated[float, typer.Option(min=0.01, help="Training minutes, besides making the rows.")] = 40,
    out: Annotated[Path, typer.Option(help="Folder of rows, checkpoints, sheets and the U-Net.")] = Path(
        "work/inpainting"
    ),
    model: ModelFolder = MODEL,
    threads: Threads = 0,
    device: Where = Device.AUTO,
    subjects: Subjects = PRACTISED,
    kit: Kit = None,
    rate: Annotated[float, typer.Option(min=1e-6, max=1, help="Learning rate.")] = 5e-4,
    pictures: Annotated[int, typer.Option(min=1, help="Compositions that are practised.")] = 4096,
    batch: Annotated[int, typer.Option(min=1, help="Compositions a step.")] = 32,
    judged: Annotated[int, typer.Option(min=1, help="Unseen compositions of a figure.")] = 32,
    steps: Annotated[int, typer.Option(min=1, help="Sampling steps of a figure.")] = 20,
) -> None:
    """Trains a U-Net of nine channels that paints under masks; goes on from the last checkpoint."""
    answer_mkl()  # before torch is imported

    from easel.training.companions.repainting import RepaintConfig, train_repainting
    from easel.training.learning.loop import Plan

    config = RepaintConfig(pictures=pictures, batch=batch, judged=judged, steps=steps)
    plan = Plan(minutes=minutes, learning_rate=rate, muon=True, warmup=50, average=0.995, sheet_seconds=600)
    train_repainting(*opened(model, device, threads, subjects, kit), config, plan, out)


if __name__ == "__main__":
    typer.run(main)
