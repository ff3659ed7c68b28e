"""`easel txt2img`: pictures from words, several at once."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from easel.cli.hires import hires_options
from easel.cli.motion import clip_of, motion_options
from easel.cli.options import PICTURE, AsJson, BatchCount, Out, option, with_shared
from easel.cli.pictures import with_options


@with_shared
@with_options(hires_options, "hires")
@with_options(motion_options, "clip")
def txt2img(
    *,
    prompts: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT", help="What to draw; quote each prompt.", show_default=False)
    ] = None,
    prompts_file: Annotated[
        str | None, option(PICTURE, "--prompts", "FILE", "More prompts, one a line; - reads standard input.")
    ] = None,
    batch_count: BatchCount = 1,
    hires: dict[str, Any] | None,
    clip: dict[str, Any],
    fields: dict[str, Any],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Draw pictures from words.

    Prints the path of each picture as it is done. Several prompts are drawn together, sharing forwards. With --motion
    each prompt is one clip, and its film stands beside the frames.
    """
    from easel.cli import wishes
    from easel.cli.draw import draw
    from easel.cli.promptlines import read_prompts

    wanted = [*(prompts or ()), *(read_prompts(prompts_file) if prompts_file else ())]
    if not wanted and "image_prompts" in fields:
        wanted = [""]  # the pictures lead
    if not wanted:
        raise wishes.no_prompt()
    fields |= wishes.without_none(hires=hires) | clip_of(clip, fields)
    requests = wishes.requests_for(wanted, fields, batch_count=batch_count)
    for request in requests:
        wishes.check_names(request)
    draw(requests, out=out, as_json=as_json)
