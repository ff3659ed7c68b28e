"""`easel grid` and `easel matrix`: one thing or two varied, side by side on a sheet or one after another as a film."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from easel.cli.options import PICTURE, AsJson, option, with_shared
from easel.core.errors import BadValue

if TYPE_CHECKING:
    from easel.cli.display import Display
    from easel.core.request import Request
    from easel.core.result import Picture
    from easel.prompt.axes import Grid

GRID = "Grid"
KIND = "txt2img-grids"

Out = Annotated[
    Path | None,
    option("Output", "--out", "FILE", "A .png, .jpg or .webp sheet, or a .gif, .webp or .mp4 with --animate.", "-o"),
]
Prompt = Annotated[str, typer.Argument(metavar="PROMPT", help="What to draw.", show_default=False)]
Cells = Annotated[Path | None, option("Output", "--cells", "FOLDER", "Keep each cell's picture here too.")]
Start = Annotated[
    Path | None, option(PICTURE, "--start", "FILE", "Begin from this picture, as img2img does; vary Denoising.")
]


@with_shared
def grid(
    *,
    prompt: Prompt,
    x: Annotated[str | None, option(GRID, "--x", "NAME=VALUES", "What varies from left to right.")] = None,
    y: Annotated[str | None, option(GRID, "--y", "NAME=VALUES", "What varies from top to bottom.")] = None,
    z: Annotated[str | None, option(GRID, "--z", "NAME=VALUES", "What varies from sheet to sheet.")] = None,
    animate: Annotated[
        str | None, option(GRID, "--animate", "gif|webp|mp4", "A film of the one thing that varies instead of a sheet.")
    ] = None,
    fps: Annotated[float, option(GRID, "--fps", "N", "Pictures a second of a film [4].")] = 4.0,
    bounce: Annotated[bool, option(GRID, "--bounce", None, "Run the film back to its first picture.")] = False,
    hires: Annotated[float | None, option(PICTURE, "--hires", "X", "A second pass X times larger.")] = None,
    start: Start = None,
    fields: dict[str, Any],
    cells: Cells = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Vary things and see them side by side.

    NAME is one of A1111's (Steps, "CFG Scale", Sampler, "Schedule type", Seed, "Prompt S/R", "Prompt order", Size,
    "Checkpoint name", "Clip skip", Denoising ...) or a field's path (hires.strength). VALUES are separated by commas;
    numbers may be ranges: 1-5, 1-9 (+2), 0-1 [5]. All cells are drawn together, sharing forwards.
    """
    from easel.prompt.axes import NO_AXIS, parse_axis
    from easel.prompt.axes import grid as grid_of

    if x is None and y is None:
        raise BadValue("--x", None, "an axis, such as --x Steps=4,8,20")
    request = asked(prompt, fields, start, hires)
    axes = [parse_axis(text, request) if text else NO_AXIS for text in (x, y, z)]
    draw_grid(grid_of(request, *axes), out, cells, as_json, film_of(animate, axes), fps, bounce)


@with_shared
def matrix(
    *,
    prompt: Prompt,
    fields: dict[str, Any],
    cells: Cells = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Draw a prompt with every choice of its parts.

    In "a fox|red|at night" the first part stands always and the others are taken or left: four pictures.
    """
    from easel.prompt.axes import matrix as matrix_of

    draw_grid(matrix_of(asked(prompt, fields, None, None)), out, cells, as_json, None, 4.0, False)


def asked(prompt: str, fields: dict[str, Any], start: Path | None, hires: float | None) -> Request:
    """Return the request that a grid varies, its seed settled so that all cells share it."""
    from easel.cli import wishes

    more: dict[str, Any] = {}
    if start is not None:
        more = {"recipe": "image_to_image", "start": {"image": wishes.file_bytes("--start", start)}}
    if hires is not None:
        more["hires"] = {"scale": hires}
    (request,) = wishes.requests_for([prompt], {**fields, **more})
    return request


def film_of(animate: str | None, axes: Sequence[Any]) -> str | None:
    """Return the format of the film that was asked for. Raises BadValue unless one thing alone varies."""
    from easel.cli import wishes

    if animate is None:
        return None
    if sum(len(axis) > 1 for axis in axes) != 1:
        raise BadValue("--animate", animate, "used where one thing varies", remedy="give one axis alone")
    return wishes.one_of("--animate", animate, ("gif", "webp", "mp4"))


def draw_grid(
    found: Grid, out: Path | None, cells: Path | None, as_json: bool, film: str | None, fps: float, bounce: bool
) -> None:
    """Draw all cells together, then write the sheets or the film."""
    from easel.cli import wishes
    from easel.cli.album import check_writable
    from easel.cli.draw import follow
    from easel.core.settings import read_settings
    from easel.media.images import day_folder, save_picture

    for request in found.requests:
        wishes.check_names(request)
    if any(request.batch_size > 1 for request in found.requests):
        raise BadValue(
            "--batch-size", found.requests[0].batch_size, "1 for a grid", remedy="vary the seed: --y Seed=1-4"
        )
    folder = out.parent if out else day_folder(read_settings().outputs, KIND)
    for place in filter(None, (folder, cells)):
        check_writable(place)
    pictures: dict[int, Picture] = {}

    def keep(number: int, picture: Picture) -> Path | None:
        pictures[number] = picture
        return save_picture(picture, cells) if cells else None

    def finish(display: Display) -> None:
        for path in write_film(found, pictures, out, film, fps, bounce) if film else write_sheets(found, pictures, out):
            display.made(
                path, {"cells": len(found.requests), "x": found.x.label, "y": found.y.label, "z": found.z.label}
            )

    follow(found.requests, keep, as_json=as_json, finish=finish)


def write_sheets(found: Grid, pictures: dict[int, Picture], out: Path | None) -> list[Path]:
    """Write one labelled sheet for each z and return their paths."""
    from easel.cli.album import write_file
    from easel.core.settings import read_settings
    from easel.media.images import day_folder, save_picture
    from easel.recipes.grids import sheets_of

    sheets = sheets_of(found, [pictures[number] for number in range(len(pictures))])
    if out is None:
        return [save_picture(sheet, day_folder(read_settings().outputs, KIND)) for sheet in sheets]
    names = [out.with_stem(f"{out.stem}-{z}") for z in range(1, len(sheets) + 1)] if len(sheets) > 1 else [out]
    return [write_file(sheet, name) for sheet, name in zip(sheets, names, strict=True)]


def write_film(
    found: Grid, pictures: dict[int, Picture], out: Path | None, film: str, fps: float, bounce: bool
) -> list[Path]:
    """Write the cells as a film, whole or not at all, and return its path."""
    from easel.cli.album import write_bytes
    from easel.core.settings import read_settings
    from easel.media.animation import animate
    from easel.media.images import day_folder, save_numbered

    data = animate([pictures[n].image for n in range(len(pictures))], film, fps=fps, there_and_back=bounce)
    if out is not None:
        return [write_bytes(data, out)]
    return [save_numbered(data, day_folder(read_settings().outputs, KIND), pictures[0].seed, film)]
