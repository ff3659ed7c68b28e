"""`easel inpaint`: part of a picture painted anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from easel.cli.options import AsJson, BatchCount, Out, option, with_shared
from easel.cli.pictures import (
    MASK,
    PictureFile,
    Prompt,
    draw_from_picture,
    mask_options,
    picture_bytes,
    start_options,
    with_options,
)


@with_shared
@with_options(mask_options, "painting")
@with_options(start_options, "start")
def inpaint(
    *,
    file: PictureFile,
    prompt: Prompt,
    mask: Annotated[
        Path | None,
        option(MASK, "--mask", "FILE", "White is painted, black stays [where the picture is transparent]."),
    ] = None,
    start: dict[str, Any],
    painting: dict[str, Any],
    batch_count: BatchCount = 1,
    fields: dict[str, Any],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Paint part of a picture anew, led by words.

    The rest stays as it is, bit for bit. The mask has the picture's size.
    """
    fields["start"] = {**start, "image": picture_bytes("FILE", file)}
    fields["mask"] = {**painting, "image": None if mask is None else picture_bytes("--mask", mask)}
    draw_from_picture("inpaint", prompt, fields, batch_count=batch_count, out=out, as_json=as_json)
