"""`easel txt2img`: pictures from words, several at once.

This file holds the options. wishes.py turns them into requests, drawing.py follows the runs, album.py keeps the
pictures, display.py shows how far they are.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from easel.cli.endings import OK, STOPPED, leave_at_once

PICTURE, SAMPLING, OUTPUT = "Picture", "Sampling", "Output"


def txt2img(
    prompts: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT", help="What to draw; quote each prompt.", show_default=False)
    ] = None,
    prompts_file: Annotated[
        str | None,
        typer.Option(
            "--prompts",
            metavar="FILE",
            help="More prompts, one a line; - reads standard input.",
            rich_help_panel=PICTURE,
        ),
    ] = None,
    negative: Annotated[
        str,
        typer.Option(
            "--negative", "-n", metavar="TEXT", help="What to keep out.", show_default=False, rich_help_panel=PICTURE
        ),
    ] = "",
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", metavar="NAME", help="Name or folder of a model [starter].", rich_help_panel=PICTURE
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            "--size", metavar="WxH", help="Pixels, multiples of 8 [the model's own].", rich_help_panel=PICTURE
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", metavar="N", help="The same seed draws the same picture [random].", rich_help_panel=PICTURE
        ),
    ] = None,
    batch_size: Annotated[
        int,
        typer.Option(
            "--batch-size",
            metavar="N",
            help="Pictures of one request, seeds N, N+1, ... [1].",
            show_default=False,
            rich_help_panel=PICTURE,
        ),
    ] = 1,
    batch_count: Annotated[
        int,
        typer.Option(
            "--batch-count",
            metavar="N",
            help="Requests for each prompt, seeds running on [1].",
            show_default=False,
            rich_help_panel=PICTURE,
        ),
    ] = 1,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", metavar="N", help="Steps from noise to picture [the model's own].", rich_help_panel=SAMPLING
        ),
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option("--sampler", metavar="NAME", help="See `easel models samplers`.", rich_help_panel=SAMPLING),
    ] = None,
    sampler_option: Annotated[
        list[str] | None,
        typer.Option(
            "--sampler-option",
            metavar="NAME=VALUE",
            help="May be given again.",
            show_default=False,
            rich_help_panel=SAMPLING,
        ),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option("--schedule", metavar="NAME", help="See `easel models schedules`.", rich_help_panel=SAMPLING),
    ] = None,
    schedule_option: Annotated[
        list[str] | None,
        typer.Option(
            "--schedule-option",
            metavar="NAME=VALUE",
            help="May be given again.",
            show_default=False,
            rich_help_panel=SAMPLING,
        ),
    ] = None,
    cfg: Annotated[
        float | None,
        typer.Option(
            "--cfg", metavar="X", help="How strongly the prompt leads, 1 to about 15.", rich_help_panel=SAMPLING
        ),
    ] = None,
    rescale: Annotated[
        float | None,
        typer.Option(
            "--rescale", metavar="X", help="0..1, holds back glaring contrast at high --cfg.", rich_help_panel=SAMPLING
        ),
    ] = None,
    guidance_start: Annotated[
        float | None,
        typer.Option(
            "--guidance-start", metavar="X", help="0..1, share of the steps before guidance.", rich_help_panel=SAMPLING
        ),
    ] = None,
    guidance_end: Annotated[
        float | None,
        typer.Option(
            "--guidance-end", metavar="X", help="0..1, share of the steps where it ends.", rich_help_panel=SAMPLING
        ),
    ] = None,
    noise: Annotated[
        str,
        typer.Option(
            "--noise",
            metavar="cpu|nv",
            help="Whose random numbers; nv draws as NVIDIA cards do [cpu].",
            show_default=False,
            rich_help_panel=SAMPLING,
        ),
    ] = "cpu",
    alone: Annotated[
        bool,
        typer.Option(
            "--alone",
            help="Share no forward: the same bits whatever else is drawn, but slower.",
            rich_help_panel=SAMPLING,
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="PATH", help="A folder, or for one picture a .png file.", rich_help_panel=OUTPUT
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print a line of JSON for each picture instead of its path.", rich_help_panel=OUTPUT
        ),
    ] = False,
) -> None:
    """Draw pictures from words.

    Prints the path of each picture as it is done. Several prompts are drawn together, sharing forwards.
    """
    from easel import app
    from easel.cli import wishes
    from easel.cli.album import Album
    from easel.cli.display import open_display
    from easel.cli.drawing import Drawing, stop_signals
    from easel.core.settings import read_settings

    fields: dict[str, Any] = {
        "negative_prompt": negative,
        "model": model,
        "seed": wishes.seed_of(seed),
        "batch_size": batch_size,
        "steps": steps,
        "sampler": sampler,
        "sampler_options": wishes.options_of("--sampler-option", sampler_option or ()),
        "schedule": schedule,
        "schedule_options": wishes.options_of("--schedule-option", schedule_option or ()),
        "guidance": wishes.without_none(scale=cfg, rescale=rescale, start=guidance_start, end=guidance_end),
        "noise": wishes.one_of("--noise", noise, ("CPU", "NV")),
        "alone": alone,
    }
    if size is not None:
        fields["width"], fields["height"] = wishes.size_of(size)
    wanted = [*(prompts or ()), *(wishes.read_prompts(prompts_file) if prompts_file else ())]
    if not wanted:
        raise wishes.no_prompt()
    requests = wishes.requests_for(wanted, wishes.without_none(**fields), batch_count=batch_count)
    wishes.check_names(requests[0])

    settings = read_settings()
    album = Album(out, settings.outputs, pictures=sum(request.batch_size for request in requests))
    album.check()
    with open_display(requests, as_json=as_json) as display:
        with stop_signals(leave_at_once):  # an exception in the middle of torch's import might be swallowed there
            client = app.open_client(settings)
        with closing(client):
            try:
                code = Drawing(client, requests, album.keep, display).finish()
            except KeyboardInterrupt as stop:
                leave_at_once(stop.args[0] if stop.args else STOPPED)
    if code != OK:
        raise typer.Exit(code)
