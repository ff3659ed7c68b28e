"""`easel upscale`: a picture enlarged and worked over tile by tile."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from easel.cli.options import AsJson, BatchCount, Out, option, with_shared
from easel.cli.pictures import START, PictureFile, draw_from_picture, picture_bytes

TILES = "Tiles"


@with_shared
def upscale(
    *,
    file: PictureFile,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What it shows; quote it.", show_default=False)] = "",
    scale: Annotated[float | None, option(TILES, "--scale", "X", "1..8, how much larger [2].")] = None,
    upscaler: Annotated[
        str | None, option(TILES, "--upscaler", "NAME", "See `easel models upscalers` [Lanczos].")
    ] = None,
    overlap: Annotated[
        int | None, option(TILES, "--overlap", "N", "0..512 pixels in which neighbouring tiles melt [64].")
    ] = None,
    strength: Annotated[
        float, option(START, "--strength", "X", "0..1, how far from the enlarged picture [0.3].", "-s")
    ] = 0.3,
    all_steps: Annotated[
        bool, option(START, "--all-steps", None, "Take all --steps, not only the share that --strength leaves.")
    ] = False,
    match_colours: Annotated[
        bool, option(START, "--match-colours", None, "Give each tile the picture's colours.")
    ] = False,
    batch_count: BatchCount = 1,
    fields: dict[str, Any],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Enlarge a picture and draw its detail anew, tile by tile.

    --size is the size of a tile. Words that fit every part of the picture serve best; none at all will do.
    """
    from easel.cli import wishes

    start = {"strength": strength, "all_steps": all_steps, "match_colours": match_colours}
    fields["start"] = {**start, "image": picture_bytes("FILE", file)}
    fields["tiles"] = wishes.without_none(scale=scale, upscaler=upscaler, overlap=overlap)
    draw_from_picture("tiled_upscale", prompt, fields, batch_count=batch_count, out=out, as_json=as_json, wordless=True)
