"""The tab "explore": grids of what varies, every choice of a prompt's parts, and two pictures compared.

Cells are jobs like any others, made in plots.py and shown by js/explore.js, which asks the functions here; what two
pictures say is compared in comparing.py.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import gradio as gr

from easel.core.caller import Caller
from easel.core.errors import BadValue, EaselError
from easel.core.request import STORIES, Request
from easel.prompt.axes import LABELS, Grid, matrix
from easel.ui import accordions, links
from easel.ui import controls as made
from easel.ui.comparing import Comparison, compared, pieces
from easel.ui.drawn import data_url, file_of
from easel.ui.form import COUNT, PARTS, requests_of
from easel.ui.house import caller_of
from easel.ui.live import Function, Wishes, answering
from easel.ui.plots import AXES, FILMS, errors_of, lists, planned, read_plot, spoken, standing, stop, submitted
from easel.ui.remembered import remember, shown
from easel.ui.results import TARGETS, sent_by
from easel.ui.tab import Page, Sent, Tab, failure, in_words
from easel.ui.words import Words

WAYS = ("grid", "matrix", "compare")
HINTS = {"Prompt S/R": "hint_replace", "Prompt order": "hint_order"}  # axes whose values are words, and their examples
HINTS |= dict.fromkeys(("Prompt", "Negative prompt"), "hint_text")
NUMBER, SHARE, SIDES = "4, 8, 20", "0-1 [5]", "512, 768"
EXAMPLES = {
    "Size": "512x512, 512x768",
    "Width": SIDES,
    "Height": SIDES,
    "Clip skip": "1, 2",
    "Hires scale": "1.5-3 [4]",
}
SHARES = ("strength", "switch_at", "rescale", "start", "end", "gate", "eta")  # fields of 0 to 1
# What a request begins from, and what leads and follows it beside the form.
TAKEN = (*(part for part in STORIES if part not in ("hires", "refiner")), *PARTS)
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def build(page: Page) -> None:
    """Make the tab's widgets."""
    say = page.say
    ways = [(say(f"explore.{way}"), way) for way in WAYS]
    way = gr.Radio(ways, value="grid", show_label=False, label=say("tab.explore"), elem_id="explore-way")
    about = gr.Markdown(say("explore.about_grid"), elem_classes="note")
    with gr.Row(elem_classes="studio") as studio:
        with gr.Column(elem_classes="words"):
            with gr.Column(elem_classes="varied") as varied:
                axes = [axis_controls(page, letter) for letter in "xyz"]
            controls = made.prompt_controls(say, "explore")
            count = gr.Markdown(say("explore.count_none"), elem_classes="note", elem_id="explore-count")
            draw = gr.Button(say("explore.draw"), variant="primary", elem_classes="main", elem_id="explore-draw")
        with gr.Column(elem_classes="view"):
            panel = plot_panel(page)
        with gr.Column(elem_classes="controls"):
            sent_parts = gr.State({})
            with_start = gr.Checkbox(label=say("explore.with_start"), value=True, visible=False)
            controls |= base_controls(page)
    with gr.Column(visible=False) as comparing:
        comparison = comparison_panel(page)
    places, widgets = tuple(controls), list(controls.values())
    given: list[Any] = [way, *(one for axis in axes for one in axis), with_start, sent_parts, *widgets]

    def asked(way: str, *values: Any) -> Grid:
        axes, (use, parts), rest = values[:9], values[9:11], values[11:]
        said = dict(zip(places, rest, strict=True)) | {COUNT: 1}
        request = base(page, said, parts if use else {})
        if way == "matrix":
            return matrix(request.settled())
        return planned(request, [spoken(*axes[at : at + 3]) for at in range(0, 9, 3)])

    def drawn(http: gr.Request, *values: Any) -> dict[str, Any]:
        return submitted(page.house, caller_of(http), asked(*values)).kept()

    def counted(way: str, *values: Any) -> str:
        if way != "matrix" and not any(values[0:9:3]):
            return say("explore.count_none")
        if way == "grid":
            for label, text, picks in (values[at : at + 3] for at in range(0, 9, 3)):
                if label and not picks and not text.strip():
                    return say("explore.count_empty", axis=axis_name(say, label))
        try:
            found = asked(way, *values)
        except EaselError as error:
            return in_words(error, say)
        x, y, z = len(found.x), len(found.y), len(found.z)
        return say("explore.count", cells=x * y * z, x=x, y=y, z=z)

    draw.click(page.safely(drawn), inputs=given, outputs=[panel], **QUIET)
    told_by = [way, *(one for axis in axes for one in axis), controls["prompt"]]
    gr.on([one.change for one in told_by], counted, given, [count], queue=False, trigger_mode="always_last", **QUIET)
    way.change(
        lambda way: [
            say(f"explore.about_{way}"),
            *[gr.update(visible=shown) for shown in (way != "compare", way == "grid", way == "compare")],
        ],
        inputs=[way],
        outputs=[about, studio, varied, comparing],
        queue=False,
        **QUIET,
    )
    names = ["way", *(f"{letter}.{part}" for letter in "xyz" for part in ("axis", "values", "picks"))]
    everything = dict(zip(names, given, strict=False)) | controls
    remember(page, "explore", everything, ["grid", *["", "", []] * 3, *shown(controls, Request())])
    accordions.offering(page.blocks, page.house, say, controls)
    page.receives(
        "explore",
        [comparison, with_start, sent_parts, *widgets],
        lambda sent: [
            opened(sent),
            *parts_of(sent.request),
            *(shown(controls, sent.request) if sent.request else [gr.skip()] * len(controls)),
        ],
    )


def axis_controls(page: Page, letter: str) -> tuple[gr.Dropdown, gr.Textbox, gr.Dropdown]:
    """Make one axis: what varies, its values as text, and where there is a list, from that."""
    say = page.say
    names = [(say("explore.nothing"), ""), *((axis_name(say, label), label) for label in AXES)]
    with gr.Row(elem_classes="axis"):
        axis = gr.Dropdown(
            names, value="", label=say(f"explore.{letter}"), min_width=150, elem_id=f"explore-{letter}", scale=2
        )
        values = gr.Textbox(
            label=say("explore.values"),
            info=say("explore.values_info"),
            min_width=170,
            visible=False,
            scale=3,
            elem_id=f"explore-{letter}-values",
        )
        picks = gr.Dropdown(
            [],
            value=[],
            multiselect=True,
            allow_custom_value=True,
            label=say("explore.picks"),
            visible=False,
            min_width=170,
            scale=3,
        )
        every = gr.Button(say("explore.all"), size="sm", visible=False, min_width=60, elem_classes="quiet")

    def offered(label: str) -> list[Any]:
        found = list(lists(page.house, label))
        return [
            gr.update(visible=bool(label) and not found, placeholder=hint(say, label)),
            gr.update(visible=bool(found), choices=found),
            gr.update(visible=bool(found)),
        ]

    axis.change(offered, inputs=[axis], outputs=[values, picks, every], queue=False, **QUIET)
    forget = "() => ['', []]"  # the values of what varied before; here and now, or it would undo what is typed next
    axis.input(None, outputs=[values, picks], js=forget, api_visibility="private")
    every.click(lambda label: list(lists(page.house, label)), inputs=[axis], outputs=[picks], queue=False, **QUIET)
    return axis, values, picks


def axis_name(say: Words, label: str) -> str:
    """Return an axis in the page's words and A1111's, which infotext and the command line use."""
    place = f"form.{LABELS.get(label, '')}"
    own = say(place) if say.has(place) and say.language != "en" else ""
    key = f"explore.axes.{label}"
    own = say(key) if say.has(key) else own
    return f"{own} ({label})" if own and own != label else label


def hint(say: Words, label: str) -> str:
    """Return an example of an axis' values."""
    if label in HINTS:
        return say(f"explore.{HINTS[label]}")
    field = LABELS.get(label, "").rpartition(".")[2]
    return EXAMPLES.get(label, SHARE if field in SHARES else NUMBER)


def base_controls(page: Page) -> made.Controls:
    """Make what all cells have in common."""
    say = page.say
    found = made.style_control(say) | made.model_controls(say)
    with gr.Accordion(say("explore.base"), open=True):
        found |= made.size_controls(say) | made.seed_control(say) | accordions.sampling(say)
    with gr.Accordion(say("create.hires"), open=False):
        found |= made.hires_controls(say)
    return found | accordions.seldom(say)


def base(page: Page, said: dict[str, Any], parts: dict[str, Any]) -> Request:
    """Return the one request that a grid varies. Raises BadValue where choices in the prompt make several."""
    found = requests_of(said, page.house.settings, **parts)
    if len(found) != 1:
        raise BadValue("prompt", f"{len(found)} prompts", "one for a grid", remedy="take out what makes several of it")
    return found[0]


def plot_panel(page: Page) -> gr.HTML:
    """Make the panel that shows a grid as its cells come, and lays it out when it is whole."""
    events = [f"to_{target}" for target in TARGETS if page.takes(target)]
    given = {"events": events, "films": FILMS, "words": words_for(page.say)}
    panel = gr.HTML(
        html_template="",
        js_on_load=f"easel.plot(element, trigger, props, server, watch, {json.dumps(given)});",
        apply_default_css=False,
        server_functions=[answering(page, function) for function in (cells_of(page), halting(page))],
        elem_id="explore-plot",
    )
    for event in events:
        page.send(getattr(panel, event), event.removeprefix("to_"), sent_by(page.house), [])
    return panel


def comparison_panel(page: Page) -> gr.HTML:
    """Make the two places for pictures, and what is told of them."""
    return gr.HTML(
        html_template="",
        js_on_load=f"easel.compare(element, props, server, watch, {json.dumps({'words': words_for(page.say)})});",
        apply_default_css=False,
        server_functions=[answering(page, comparing_in(page.say))],
        elem_id="explore-compare",
    )


def words_for(say: Words) -> dict[str, str]:
    """Return the words of the scripts: this tab's and the panel of results', by the last part of their keys; tabs."""
    found = {key.partition(".")[2]: text for key, text in say.table.items() if key.startswith("results.")}
    found |= {key.partition(".")[2]: text for key, text in say.table.items() if key.startswith("explore.")}
    return found | {key: text for key, text in say.table.items() if key.startswith("tab.")}


def cells_of(page: Page) -> Function:
    """Return the function that says how the cells of a "plot" stand, and why some failed."""

    def cells(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        plot = read_plot(wishes.get("plot"))
        found = standing(page.house, plot) if plot else []
        errors = errors_of(page.house, caller, plot, found) if plot else []
        lines = [failure(error.kind, error.message, page.say) for error in errors]
        return {"cells": [[cell.state, round(cell.share, 3)] for cell in found], "errors": lines}

    return cells


def halting(page: Page) -> Function:
    """Return the function that stops a "plot"."""

    def halt(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        plot = read_plot(wishes.get("plot"))
        if plot:
            stop(page.house, caller, plot)
        return {}

    return halt


def comparing_in(say: Words) -> Function:
    """Return the function that compares two files, given as data URLs "first" and "second"."""

    def compare(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        files = [file_of(wishes.get(name), f"{name} picture") for name in ("first", "second")]
        found = compared(*files)
        same = [(one.name, one.first) for one in found.settings if not one.differs and one.first]
        return {
            "verdict": verdict(found, say),
            "rows": [
                {"name": one.name, "parts": list(pieces(one.first, one.second))}
                for one in found.settings
                if one.differs
            ],
            "same": same,
            "same_line": say("explore.same", count=len(same)),
        }

    return compare


def verdict(found: Comparison, say: Words) -> str:
    """Return in one line how far two pictures are apart."""
    if found.pixels is None:
        sizes = {
            name: f"{one.file.width}×{one.file.height}"
            for name, one in (("first", found.first), ("second", found.second))
        }
        return say("explore.sizes", **sizes)
    pixels = f"{found.pixels.pixels:,}"
    if found.pixels.differing == 0:
        return say("explore.equal", pixels=pixels)
    facts = {"differing": f"{found.pixels.differing:,}", "greatest": found.pixels.greatest}
    return say("explore.differ", pixels=pixels, psnr=f"{found.pixels.psnr:.1f}", **facts)


def opened(sent: Sent) -> dict[str, Any] | Any:
    """Return what puts a sent picture beside another one; nothing where none was sent."""
    if sent.picture is None:
        return gr.skip()
    url = links.picture(sent.job, sent.number) if sent.job else data_url(sent.picture.read_bytes())
    return {"open": url, "at": uuid4().hex}


def parts_of(request: Request | None) -> list[Any]:
    """Return whether the cells may begin from what a sent request began from, and those parts of it."""
    found = {} if request is None else {name: getattr(request, name) for name in TAKEN if getattr(request, name)}
    if found and request is not None:
        found["recipe"] = request.recipe
    return [gr.update(visible=bool(found), value=True), found]


TAB = Tab("explore", build)
