"""The tab "enlarge": pictures made larger, tile by tile or in one piece, each with its own words and settings.

What is asked for stands in enlarging.py; results.py shows what came of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import gradio as gr

from easel.core.errors import BadValue
from easel.core.limits import MAX_SIDE
from easel.core.request import Request
from easel.post.upscalers import PIXELS, upscalers
from easel.ui.controls import Controls, pairs, prompt_controls, sampling_controls, seed_control
from easel.ui.dropped import bytes_of, shown_in
from easel.ui.enlarging import TILES, USUAL, WHOLE, enlarging, larger
from easel.ui.overlaid import before_after
from easel.ui.results import asking, results
from easel.ui.tab import Page, Sent, Tab

EMPTY = ("width", "height", "steps", "guidance.scale", "seed")
MOST = 100  # pictures of one press of the button


def build(page: Page) -> None:
    """Make the tab's widgets."""
    say, house = page.say, page.house
    with gr.Row(elem_classes="studio"):
        with gr.Column(min_width=300, elem_classes="words"):
            pictures = gr.Gallery(
                label=say("enlarge.pictures"),
                type="filepath",
                file_types=["image"],
                sources=["upload", "clipboard"],
                interactive=True,
                columns=3,
                height=240,
                object_fit="contain",
                elem_id="enlarge-pictures",
            )
            size = gr.HTML(elem_classes="enlarge-size")
            controls = first_controls(page)
            button = gr.Button(say("enlarge.do"), variant="primary", elem_classes="main", elem_id="enlarge-do")
        with gr.Column(min_width=300, elem_classes="view"):
            panel = results(page, "enlarge")
            before_after(say, "enlarge")
        with gr.Column(min_width=300, elem_classes="controls"):
            more, tiles = further_controls(page)
            controls |= more
    names, widgets = tuple(controls), list(controls.values())

    def requests_of(files: Sequence[tuple[str, Any]] | None, *values: Any) -> list[Request]:
        """Return a request for each picture."""
        paths = [path for path, _ in files or ()]
        if not 1 <= len(paths) <= MOST:
            raise BadValue(say("enlarge.pictures"), len(paths), f"1 to {MOST}")
        said = {**USUAL, **dict(zip(names, values, strict=True)), "preview_every": 2}
        return [enlarging(bytes_of(path, say("enlarge.pictures")), said, house.library) for path in paths]

    def sized(files: Sequence[tuple[str, Any]] | None, scale: float) -> str:
        """Return how large the pictures become, in words."""
        lines: list[str] = []
        for path, _ in files or ():
            try:
                lines.append("{} × {}".format(*larger(Path(path).read_bytes(), scale)))
            except (BadValue, OSError):
                continue  # the button tells what is wrong with it
        shown = ", ".join(dict.fromkeys(lines))
        return f'<p role="status">{say("enlarge.becomes", size=shown)}</p>' if shown else ""

    def fill(sent: Sent) -> list[Any]:
        """Take a picture; its words and settings are read from its file."""
        return [gr.skip() if sent.picture is None else [shown_in(pictures, sent.picture)]]

    def turned(how: str) -> Any:
        """Show what counts in one way alone."""
        return gr.update(visible=how == TILES)

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
    asking(page, panel, button.click, requests_of, [pictures, *widgets])
    how, scale = cast(gr.Radio, controls["how"]), cast(gr.Slider, controls["scale"])
    how.input(turned, how, tiles, **quiet)
    gr.on([pictures.change, scale.change], sized, [pictures, scale], size, **quiet)
    page.receives("enlarge", [pictures], fill)
    page.begin_empty([controls[name] for name in EMPTY])
    page.tab.select(lambda: models_of(page), None, controls["model"], **quiet)


def first_controls(page: Page) -> Controls:
    """Make the controls that everybody needs, by their names in USUAL."""
    say = page.say
    ways = [(say(f"enlarge.how_{how}"), how) for how in (TILES, WHOLE)]
    made: Controls = {"how": gr.Radio(ways, value=TILES, label=say("enlarge.how"), info=say("enlarge.how_info"))}
    made["scale"] = gr.Slider(1, 8, USUAL["scale"], step=0.25, label=say("enlarge.scale"))
    made["start.strength"] = gr.Slider(
        0, 1, USUAL["start.strength"], step=0.01, label=say("enlarge.strength"), info=say("enlarge.strength_info")
    )
    made["own"] = gr.Checkbox(value=True, label=say("enlarge.own"), info=say("enlarge.own_info"))
    return made


def further_controls(page: Page) -> tuple[Controls, gr.Accordion]:
    """Make the other controls, and return the part of them that counts tile by tile alone."""
    say = page.say
    made: Controls = {}
    with gr.Accordion(say("enlarge.words"), open=False):
        made |= prompt_controls(say, "enlarge")
    with gr.Accordion(say("enlarge.tiles"), open=True) as tiles:
        fitting = [entry.name for entry in upscalers if entry.facts["works_on"] == PIXELS]
        with gr.Row():
            made["tiles.upscaler"] = gr.Dropdown(
                pairs(fitting), value=USUAL["tiles.upscaler"], label=say("enlarge.upscaler"), min_width=140
            )
            made["tiles.overlap"] = gr.Slider(
                0, 512, USUAL["tiles.overlap"], step=8, label=say("enlarge.overlap"), min_width=140
            )
        with gr.Row():
            for place in ("width", "height"):
                made[place] = gr.Number(
                    label=say(f"enlarge.tile_{place}"),
                    precision=0,
                    minimum=8,
                    maximum=MAX_SIDE,
                    step=8,
                    placeholder=say("form.auto"),
                    min_width=100,
                )
    with gr.Accordion(say("enlarge.settings"), open=False):
        made["model"] = gr.Dropdown([(say("enlarge.own_model"), "")], value="", label=say("form.model"))
        made |= sampling_controls(say)
        made |= seed_control(say)
        made["start.match_colours"] = gr.Checkbox(label=say("enlarge.match_colours"))
        made["start.all_steps"] = gr.Checkbox(label=say("enlarge.all_steps"))
    return made, tiles


def models_of(page: Page) -> Any:
    """Return the models there are, with the picture's own first."""
    names = page.house.library.places()
    return gr.update(choices=[(page.say("enlarge.own_model"), ""), *pairs(names)])


TAB = Tab("enlarge", build)
