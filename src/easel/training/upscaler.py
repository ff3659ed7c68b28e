"""Makes the starter's upscaler: `python -m easel.training.upscaler --minutes 25`.

A program alone; what is learned and how stands in companions/enlarging.py.
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
    minutes: Annotated[float, typer.Option(min=0.01, help="Training minutes, besides making the pictures.")] = 25,
    out: Annotated[Path, typer.Option(help="Folder of pictures, checkpoints, sheets and the upscaler.")] = Path(
        "work/upscaler"
    ),
    model: ModelFolder = MODEL,
    threads: Threads = 0,
    device: Where = Device.AUTO,
    subjects: Subjects = PRACTISED,
    kit: Kit = None,
    rate: Annotated[float, typer.Option(min=1e-6, max=1, help="Learning rate.")] = 2e-3,
    features: Annotated[int, typer.Option(min=1, help="Channels of the network.")] = 48,
    convolutions: Annotated[int, typer.Option(min=1, help="Convolutions between the first and the last.")] = 12,
    pictures: Annotated[int, typer.Option(min=1, help="Compositions that are practised.")] = 1024,
    batch: Annotated[int, typer.Option(min=2, help="Pairs a step.")] = 16,
) -> None:
    """Trains an upscaler by four in Real-ESRGAN's compact build; goes on from the last checkpoint."""
    answer_mkl()  # before torch is imported

    from easel.training.companions.enlarging import UpscalerConfig, train_upscaler
    from easel.training.learning.loop import Plan

    _, _, autoencoder, _, source = opened(model, device, threads, subjects, kit)
    config = UpscalerConfig(features=features, convolutions=convolutions, pictures=pictures, batch=batch)
    plan = Plan(minutes=minutes, learning_rate=rate, muon=True, warmup=50, weight_decay=0.0, average=0.998)
    train_upscaler(source, autoencoder, config, plan, out)


if __name__ == "__main__":
    typer.run(main)
