"""Makes the embedded model: `python -m easel.training.starter --recipe card --device cuda`.

Chains the stages; each goes on from where it was killed. Decides nothing about models: sizes are in embedded/recipe.py.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from easel.models.vendor import answer_mkl


class Stage(enum.StrEnum):
    """What to do; `all` is everything in this order."""

    ATLAS = "atlas"
    CLIP = "clip"
    VISION = "vision"
    AUTOENCODER = "autoencoder"
    HALF = "half"
    BASE = "base"
    DECODER = "decoder"
    EXPORT = "export"
    EXAMINE = "examine"
    ALL = "all"


class Size(enum.StrEnum):
    """Which recipe."""

    CARD = "card"
    CORES = "cores"
    TOY = "toy"


def main(
    stage: Annotated[Stage, typer.Option(help="The stage to run; it goes on from its last checkpoint.")] = Stage.ALL,
    recipe: Annotated[Size, typer.Option(help="Sizes and plans: for a GPU, for processors, or a try.")] = Size.CORES,
    budget_minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Training minutes, of one stage or shared out among all.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...")] = "cpu",
    out: Annotated[Path, typer.Option(help="Folder of checkpoints, sheets and curves.")] = Path("work/embedded"),
    kit: Annotated[Path | None, typer.Option(help="Folder that training.world.kit wrote; else the font here.")] = None,
    start: Annotated[Path | None, typer.Option(help="Exported model from which new stages begin.")] = None,
    model: Annotated[Path | None, typer.Option(help="Folder of the exported model; else OUT/model.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves torch's choice.")] = 0,
) -> None:
    """Trains the embedded model from glyphs and names, on a card or on processor cores."""
    if device == "cpu":
        answer_mkl()  # before torch is imported

    import torch

    from easel.training.embedded.recipe import RECIPES, STAGES, with_budget
    from easel.training.embedded.stages import RUNS
    from easel.training.embedded.workshop import open_workshop

    if threads:
        torch.set_num_threads(threads)
    if device != "cpu":
        torch.set_float32_matmul_precision("high")
    chosen = RECIPES[recipe.value]()
    if budget_minutes is not None:
        one = stage.value in STAGES
        chosen = with_budget(chosen, budget_minutes, (stage.value,) if one else STAGES)
    shop = open_workshop(chosen, out, device, kit, start)
    for name, run in RUNS.items():
        if stage in (name, Stage.ALL):
            print(f"stage {name}", flush=True)
            run(shop, model or out / "model")


if __name__ == "__main__":
    typer.run(main)
