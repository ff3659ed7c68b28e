"""`easel img2img`: a picture and words to a picture."""

from __future__ import annotations

from typing import Any

from easel.cli.motion import clip_of, motion_options
from easel.cli.options import AsJson, BatchCount, Out, with_shared
from easel.cli.pictures import (
    PictureFile,
    Prompt,
    draw_from_picture,
    picture_bytes,
    start_options,
    with_options,
)


@with_shared
@with_options(start_options, "start")
@with_options(motion_options, "clip")
def img2img(
    *,
    file: PictureFile,
    prompt: Prompt,
    start: dict[str, Any],
    clip: dict[str, Any],
    batch_count: BatchCount = 1,
    fields: dict[str, Any],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Draw a picture anew, led by words.

    The result has the picture's size, cut to multiples of 8, unless --size says otherwise.
    """
    fields |= clip_of(clip, fields)
    fields["start"] = {**start, "image": picture_bytes("FILE", file)}
    draw_from_picture("image_to_image", prompt, fields, batch_count=batch_count, out=out, as_json=as_json)
