"""The tab "enlarge": pictures made larger, tile by tile or in one piece with their own words, or nothing drawn anew.

What is asked for stands in enlarging.py; results.py shows what came of it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import gradio as gr

from easel.core.errors import BadValue
from easel.core.limits import MAX_SIDE
from easel.core.request import Request
from easel.post.upscalers import PIXELS, names_of
from easel.ui.controls import Controls, pairs, prompt_controls, sampling_controls, seed_control
from easel.ui.dropped import bytes_of, shown_in
from easel.ui.enlarging import PLAIN, TILES, USUAL, WHOLE, enlarging, larger, plainly
from easel.ui.overlaid import before_after
from easel.ui.parts.reading import parts_of
from easel.ui.parts.tables import GROUPS
from easel.ui.parts.widget import parts_widget, taken
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
            controls, redrawing = first_controls(page)
            with gr.Column(visible=False) as plain:
                parts = parts_widget(page, "enlarge", ("after",), begin={"enlarge": [{}]})
            button = gr.Button(say("enlarge.do"), variant="primary", elem_classes="main", elem_id="enlarge-do")
        with gr.Column(min_width=300, elem_classes="view"):
            panel = results(page, "enlarge")
            before_after(say, "enlarge")
        with gr.Column(min_width=300, elem_classes="controls"), gr.Column() as drawing:
            more, tiles = further_controls(page)
            controls |= more
    names, widgets = tuple(controls), list(controls.values())

    def requests_of(held: Any, files: Sequence[tuple[str, Any]] | None, *values: Any) -> list[Request]:
        """Return a request for each picture."""
        paths = [path for path, _ in files or ()]
        if not 1 <= len(paths) <= MOST:
            raise BadValue(say("enlarge.pictures"), len(paths), f"1 to {MOST}")
        said = {**USUAL, **dict(zip(names, values, strict=True)), "preview_every": 2}
        dropped = [bytes_of(path, say("enlarge.pictures")) for path in paths]
        if said["how"] == PLAIN:
            wanted = parts_of(held, GROUPS["after"])
            return [plainly(file, wanted) for file in dropped]
        return [enlarging(file, said, house.library) for file in dropped]

    def sized(files: Sequence[tuple[str, Any]] | None, scale: float, how: str) -> str:
        """Return how large the pictures become, in words."""
        lines: list[str] = []
        for path, _ in files or () if how != PLAIN else ():
            try:
                lines.append("{} × {}".format(*larger(Path(path).read_bytes(), scale)))
            except (BadValue, OSError):
                continue  # the button tells what is wrong with it
        shown = ", ".join(dict.fromkeys(lines))
        return f'<p role="status">{say("enlarge.becomes", size=shown)}</p>' if shown else ""

    def fill(sent: Sent) -> list[Any]:
        """Take a picture; its words and settings are read from its file."""
        return [gr.skip() if sent.picture is None else [shown_in(pictures, sent.picture)]]

    def turned(how: str) -> list[Any]:
        """Show what counts in one way alone."""
        shown = (how == TILES, how != PLAIN, how != PLAIN, how == PLAIN)
        return [gr.update(visible=one) for one in shown]

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
    click = functools.partial(button.click, js=taken("enlarge"))
    asking(page, panel, click, requests_of, [parts, pictures, *widgets])
    how, scale = cast(gr.Radio, controls["how"]), cast(gr.Slider, controls["scale"])
    how.input(turned, how, [tiles, redrawing, drawing, plain], **quiet)
    gr.on([pictures.change, scale.change, how.input], sized, [pictures, scale, how], size, **quiet)
    page.receives("enlarge", [pictures], fill)
    page.begin_empty([controls[name] for name in EMPTY])
    page.tab.select(lambda: lists_of(page), None, [controls["model"], controls["tiles.upscaler"]], **quiet)


def first_controls(page: Page) -> tuple[Controls, gr.Column]:
    """Make the controls that everybody needs, by their names in USUAL, and return the part for drawing anew."""
    say = page.say
    ways = [(say(f"enlarge.how_{how}"), how) for how in (TILES, WHOLE, PLAIN)]
    made: Controls = {"how": gr.Radio(ways, value=TILES, label=say("enlarge.how"), info=say("enlarge.how_info"))}
    with gr.Column() as redrawing:
        made["scale"] = gr.Slider(1, 8, USUAL["scale"], step=0.25, label=say("enlarge.scale"))
        made["start.strength"] = gr.Slider(
            0, 1, USUAL["start.strength"], step=0.01, label=say("enlarge.strength"), info=say("enlarge.strength_info")
        )
        made["own"] = gr.Checkbox(value=True, label=say("enlarge.own"), info=say("enlarge.own_info"))
    return made, redrawing


def further_controls(page: Page) -> tuple[Controls, gr.Accordion]:
    """Make the other controls, and return the part of them that counts tile by tile alone."""
    say = page.say
    made: Controls = {}
    with gr.Accordion(say("enlarge.words"), open=False):
        made |= prompt_controls(say, "enlarge")
    with gr.Accordion(say("enlarge.tiles"), open=True) as tiles:
        fitting = names_of(page.house.library, PIXELS)
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


def lists_of(page: Page) -> list[Any]:
    """Return the models there are, with the picture's own first, and the upscalers of pictures."""
    library = page.house.library
    models = [(page.say("enlarge.own_model"), ""), *pairs(library.places())]
    return [gr.update(choices=models), gr.update(choices=pairs(names_of(library, PIXELS)))]


TAB = Tab("enlarge", build)
