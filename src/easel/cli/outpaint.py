"""`easel outpaint`: a picture grown beyond its edges."""

from __future__ import annotations

from typing import Annotated, Any

from easel.cli.options import AsJson, BatchCount, Out, option, with_shared
from easel.cli.pictures import (
    GROW,
    PictureFile,
    Prompt,
    draw_from_picture,
    picture_bytes,
    start_options,
    with_options,
)


@with_shared
@with_options(start_options, "start")
def outpaint(
    *,
    file: PictureFile,
    prompt: Prompt,
    left: Annotated[int, option(GROW, "--left", "N", "Pixels to grow, a multiple of 8.")] = 0,
    right: Annotated[int, option(GROW, "--right", "N", "The same.")] = 0,
    top: Annotated[int, option(GROW, "--top", "N", "The same.")] = 0,
    bottom: Annotated[int, option(GROW, "--bottom", "N", "The same.")] = 0,
    feather: Annotated[
        int | None, option(GROW, "--feather", "N", "0..256 pixels in which old and new melt [16].")
    ] = None,
    reach: Annotated[
        int | None, option(GROW, "--reach", "N", "Most pixels grown in one pass [a quarter of the model's size].")
    ] = None,
    start: dict[str, Any],
    batch_count: BatchCount = 1,
    fields: dict[str, Any],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Grow a picture beyond its edges, led by words.

    The picture stays as it is, bit for bit, but for a band along the edges that grow. --size is the size it is brought
    to before it grows.
    """
    from easel.cli import wishes

    fields["start"] = {**start, "image": picture_bytes("FILE", file)}
    margins = {"left": left, "right": right, "top": top, "bottom": bottom}
    fields["outpaint"] = {**margins, **wishes.without_none(feather=feather, reach=reach)}
    draw_from_picture("outpaint", prompt, fields, batch_count=batch_count, out=out, as_json=as_json)
