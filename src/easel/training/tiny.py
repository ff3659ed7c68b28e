"""Makes the starter's tiny autoencoder: `python -m easel.training.tiny --minutes 20`.

A program alone; what is learned and how stands in companions/tinier.py.
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
    minutes: Annotated[float, typer.Option(min=0.01, help="Training minutes, besides making the rows.")] = 20,
    out: Annotated[Path, typer.Option(help="Folder of rows, checkpoints, sheets and the autoencoder.")] = Path(
        "work/tiny"
    ),
    model: ModelFolder = MODEL,
    threads: Threads = 0,
    device: Where = Device.AUTO,
    subjects: Subjects = PRACTISED,
    kit: Kit = None,
    rate: Annotated[float, typer.Option(min=1e-6, max=1, help="Learning rate.")] = 2e-3,
    width: Annotated[int, typer.Option(min=1, help="Channels of the network.")] = 32,
    pictures: Annotated[int, typer.Option(min=1, help="Compositions that are practised.")] = 2048,
    batch: Annotated[int, typer.Option(min=1, help="Parts of compositions a step.")] = 8,
    judged: Annotated[int, typer.Option(min=1, help="Unseen compositions of a figure.")] = 64,
) -> None:
    """Trains a quick autoencoder in TAESD's build for the starter's latents; goes on from the last checkpoint."""
    answer_mkl()  # before torch is imported

    from easel.training.companions.tinier import TinyConfig, train_tiny
    from easel.training.learning.loop import Plan

    _, _, autoencoder, _, source = opened(model, device, threads, subjects, kit)
    config = TinyConfig(width=width, pictures=pictures, batch=batch, judged=judged)
    plan = Plan(minutes=minutes, learning_rate=rate, muon=True, warmup=50, weight_decay=0.0, average=0.998)
    train_tiny(source, autoencoder, config, plan, out)


if __name__ == "__main__":
    typer.run(main)
