"""What the programs that train companions open: the exported model on a device, and the pictures it knows how to draw.

Knows neither losses nor what is trained. Importing it imports no torch, so that a program may answer MKL first.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from easel.core.errors import BadValue

if TYPE_CHECKING:
    import torch

MODEL = Path(__file__).parents[2] / "starter" / "model"
PRACTISED = 160  # subjects, those that lead the list, which the model practised


class Device(enum.StrEnum):
    """Where a program trains; `auto` is a CUDA card where there is one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


# What every companion's program is told, as options.
ModelFolder = Annotated[Path, typer.Option(help="Folder of the exported starter.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves torch's choice.")]
Where = Annotated[Device, typer.Option(help="Where it trains.")]
Subjects = Annotated[int, typer.Option(min=0, help="How many of the world's the model practised; 0 for all.")]
Kit = Annotated[Path | None, typer.Option(help="Folder that training.world.kit wrote; else the font here.")]


def chosen_device(device: Device) -> torch.device:
    """The device that a program was asked for; raises BadValue for a card that is not there."""
    import torch

    there = torch.cuda.is_available()
    if device is Device.CUDA and not there:
        raise BadValue("device", "cuda", "auto or cpu here", remedy="torch finds no CUDA card on this machine")
    return torch.device("cuda" if there and device is not Device.CPU else "cpu")


def opened(model: Path, device: Device, threads: int, subjects: int, kit: Path | None) -> tuple[Any, ...]:
    """The exported model in `model` on a device, and the source of pictures of the subjects that it draws.

    In the order in which trainings take them: tokenizer, towers, autoencoder, U-Net, source. threads: of the processor,
    0 for torch's choice. subjects: how many the model practised, 0 for all of them. kit: a folder of glyphs and
    names, for machines that lack the font.
    """
    import torch

    from easel.training.networks.export import load
    from easel.training.world.source import open_source

    if threads:
        torch.set_num_threads(threads)
    where = chosen_device(device)
    tokenizer, *parts = load(model)
    side = 8 * int(parts[-1].config.sample_size)
    return tokenizer, *(part.to(where) for part in parts), open_source(kit, subjects or None, side, where)
