"""Makes the starter's motion module: `python -m easel.training.motion --minutes 60`.

A program alone; what is learned and how stands in companions/moving.py.
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
    minutes: Annotated[float, typer.Option(min=0.01, help="Training minutes, besides making the rows.")] = 60,
    out: Annotated[Path, typer.Option(help="Folder of rows, checkpoints, sheets and the module.")] = Path(
        "work/motion"
    ),
    model: ModelFolder = MODEL,
    threads: Threads = 0,
    device: Where = Device.AUTO,
    subjects: Subjects = PRACTISED,
    kit: Kit = None,
    rate: Annotated[float, typer.Option(min=1e-6, max=1, help="Learning rate.")] = 1e-3,
    clips: Annotated[int, typer.Option(min=1, help="Clips that are practised.")] = 768,
    batch: Annotated[int, typer.Option(min=1, help="Clips a step.")] = 4,
    frames: Annotated[int, typer.Option(min=2, help="Frames of a clip.")] = 8,
    only: Annotated[
        list[str] | None, typer.Option(help="A motion to practise, such as slide-left; all if none.")
    ] = None,
    start: Annotated[Path | None, typer.Option(help="A motion module of this build to begin from.")] = None,
    megabytes: Annotated[float, typer.Option(min=0.01, help="Most that the file may take.")] = 4,
    judged: Annotated[int, typer.Option(min=1, help="Unseen clips of a figure.")] = 14,
    steps: Annotated[int, typer.Option(min=1, help="Sampling steps of a figure.")] = 12,
) -> None:
    """Trains an AnimateDiff motion module, with which the starter draws clips; goes on from the last checkpoint."""
    answer_mkl()  # before torch is imported

    from easel.training.companions.moving import MotionConfig, train_moving
    from easel.training.learning.loop import Plan

    sizes = {"frames": frames, "megabytes": megabytes, "clips": clips, "batch": batch, "judged": judged, "steps": steps}
    config = MotionConfig(**sizes, **({"kinds": tuple(only)} if only else {}))
    plan = Plan(minutes=minutes, learning_rate=rate, muon=True, warmup=50, average=0.995, sheet_seconds=1200)
    train_moving(*opened(model, device, threads, subjects, kit), config, plan, out, start)


if __name__ == "__main__":
    typer.run(main)
