"""The tab "create": pictures from words. Mass-produce small, choose by eye, enlarge the chosen.

Every control is a field of the request, by form.py; what is drawn comes through the queue and is shown by results.py.
"""

from __future__ import annotations

import functools
import html
import json
from collections.abc import Callable
from typing import Any

import gradio as gr

from easel.core.finishing import Enlarge
from easel.core.passes import Hires
from easel.core.pictures import Start, Tiles
from easel.core.request import Request
from easel.ui import accordions
from easel.ui import controls as made
from easel.ui.enlarging import PLAIN, plainly
from easel.ui.form import requests_of
from easel.ui.live import answering
from easel.ui.parts.reading import parts_of
from easel.ui.parts.widget import added, parts_widget, showing, taken
from easel.ui.picking import catalogue_words, categories, files_of
from easel.ui.planned import Tokens, counted, drawn
from easel.ui.preferences import FRESH
from easel.ui.remembered import shown as filled
from easel.ui.results import asking, chosen_of, results
from easel.ui.shapes import RATIOS, shaped, side_of
from easel.ui.tab import Page, Sent, Tab
from easel.ui.told import told

AGAIN, TILES = "again", "tiles"  # ways of enlarging what was chosen, beside PLAIN
EXAMPLES = 6  # prompts that the empty panel offers


def build(page: Page) -> None:
    """Make the tab's widgets."""
    say, house = page.say, page.house
    with gr.Row(elem_classes="studio"):
        with gr.Column(elem_classes="words"):
            controls = made.prompt_controls(say, "create")
            plan = gr.HTML(elem_id="create-plan", apply_default_css=False)
            draw = gr.Button(say("create.draw"), variant="primary", elem_classes="main", elem_id="create-draw")
        with gr.Column(elem_classes="view"):
            panel = results(
                page, "create", choosing=True, examples=[say(f"create.example_{n}") for n in range(EXAMPLES)]
            )
        with gr.Column(elem_classes="controls"):
            controls |= made.style_control(say)
            picker(page)
            controls |= made.model_controls(say)
            with gr.Accordion(say("create.size"), open=True):
                shapes = shape_buttons(page)
                controls |= made.size_controls(say)
                controls |= made.batch_controls(say)
                controls |= seed_row(page)
            with gr.Accordion(say("create.sampling"), open=True):
                controls |= accordions.sampling(say)
            parts = parts_widget(page, "create")
            with gr.Accordion(say("create.hires"), open=False):
                controls |= made.hires_controls(say)
            controls |= accordions.clip(say)
            with gr.Accordion(say("create.enlarging"), open=False):
                enlarging = enlarging_controls(page)
            controls |= accordions.seldom(say)
            recall = restoring(page)
    places, widgets = tuple(controls), list(controls.values())

    def asked(held: Any, *values: Any) -> list[Request]:
        return requests_of(dict(zip(places, values, strict=True)), house.settings, **parts_of(held))

    asking(page, panel, functools.partial(draw.click, js=taken("create")), asked, [parts, *widgets])
    for ratio, button in shapes.items():
        button.click(
            shape_of(page, ratio),
            inputs=[controls["model"]],
            outputs=[controls["width"], controls["height"]],
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
    planning(page, controls, plan)
    asking_for_larger(page, panel, enlarging)
    remembering(page, controls)
    recall.upload(
        page.safely(lambda file: everything(controls, said_by(file))),
        inputs=[recall],
        outputs=[parts, *widgets],
        show_progress="hidden",
        api_visibility="private",
    )
    accordions.offering(page.blocks, house, say, controls, {"hires.upscaler": enlarging["upscaler"]})
    page.receives("create", [parts, *widgets], lambda sent: everything(controls, sent.request or Request()))
    page.receives("control", [parts], lambda sent: [added(sent)])


def everything(controls: made.Controls, request: Request) -> list[Any]:
    """Return the value of the parts, then one for each control, that show a request."""
    return [showing(request), *filled(controls, request)]


def said_by(file: str) -> Request:
    """Return the request that a picture's file tells of, without pictures that it began from. Raises RequestError."""
    from pathlib import Path

    from easel.core.errors import RequestError

    found = told(Path(file).read_bytes())
    if found.recalled is None:
        raise RequestError(found.problem or "this picture says nothing of how it was made.")
    parts = ("start", "mask", "outpaint", "tiles", "recipe")
    return Request(**{name: value for name, value in found.recalled.fields.items() if name not in parts})


def shape_buttons(page: Page) -> dict[str, gr.Button]:
    """Make a small button for each shape."""
    with gr.Row(elem_classes="chips", elem_id="create-shapes"):
        return {ratio: gr.Button(ratio, size="sm", min_width=44, elem_classes="quiet") for ratio in RATIOS}


def shape_of(page: Page, ratio: str) -> Callable[[str], tuple[int, int]]:
    """Return what a shape's button does: a size with as many pixels as the model was trained on."""
    return lambda model: shaped(ratio, side_of(page.house.library, model))


def seed_row(page: Page) -> made.Controls:
    """Make the seed with its two buttons: any, and that of the picture in view."""
    with gr.Row(elem_classes="seed"):
        control = made.seed_control(page.say)
        any_seed = gr.Button(page.say("create.any_seed"), size="sm", min_width=60, elem_classes="quiet")
        same_seed = gr.Button(page.say("create.same_seed"), size="sm", min_width=60, elem_classes="quiet")
    seed = control["seed"]
    any_seed.click(None, outputs=[seed], js="() => null", api_visibility="private")
    same_seed.click(
        None, inputs=[seed], outputs=[seed], js="(seed) => easel.seedInView('create') ?? seed", api_visibility="private"
    )
    return control


def enlarging_controls(page: Page) -> dict[str, Any]:
    """Make how the chosen pictures are enlarged."""
    from easel.post.upscalers import upscalers

    say = page.say
    ways = [(say(f"create.way_{way}"), way) for way in (AGAIN, TILES, PLAIN)]
    found: dict[str, Any] = {"way": gr.Radio(ways, value=AGAIN, label=say("create.way"))}
    with gr.Row():
        found["scale"] = gr.Slider(1, 8, value=2, step=0.05, label=say("form.hires.scale"), min_width=140)
        found["strength"] = gr.Slider(0, 1, value=0.5, step=0.01, label=say("form.hires.strength"), min_width=140)
    found["upscaler"] = gr.Dropdown(
        list(upscalers.names), value="Lanczos", label=say("form.hires.upscaler"), allow_custom_value=True
    )
    found["way"].change(
        lambda way: gr.update(visible=way != PLAIN),
        inputs=[found["way"]],
        outputs=[found["strength"]],
        queue=False,
        **accordions.QUIET,
    )
    return found


def asking_for_larger(page: Page, panel: gr.HTML, enlarging: dict[str, Any]) -> None:
    """Have the chosen pictures enlarged, each with its own words and seed."""

    def asked(
        way: str, scale: float, strength: float, upscaler: str, event: gr.EventData, http: gr.Request
    ) -> list[Request]:
        wishes = (way, scale, strength, upscaler)
        requests = [larger(one, *wishes) for one in chosen_of(page.house, event, http)]
        return [one for place, one in enumerate(requests) if one not in requests[:place]]  # frames of a clip, once

    asking(page, panel, panel.enlarge_chosen, asked, list(enlarging.values()))


def larger(sent: Sent, way: str, scale: float, strength: float, upscaler: str) -> Request:
    """Return the request for a larger copy: drawn again with a second pass, worked on tile by tile, or plain."""
    request = sent.request or Request()
    if way == AGAIN and request.recipe == "text_to_image":
        return request.changed(hires=Hires(scale=scale, strength=strength, upscaler=upscaler))
    image = sent.picture.read_bytes() if sent.picture else b""
    if way == PLAIN:
        return plainly(image, {"enlarge": Enlarge(scale=scale, upscaler=upscaler)})
    return request.changed(
        recipe="tiled_upscale",
        start=Start(image=image, strength=strength),
        tiles=Tiles(scale=scale, upscaler=upscaler),
        hires=None,
        refiner=None,
        motion=None,
        batch_size=1,
        mask=None,
        outpaint=None,
        controls=(),
        details=(),
        enlarge=None,
        faces=(),
        background=None,
    )


def planning(page: Page, controls: made.Controls, plan: gr.HTML) -> None:
    """Show how many tokens the prompt has and what of it holds when, as it is typed."""
    from easel.sampling import samplers, split_joint_name

    tokens = Tokens(page.house.library)

    def shown(prompt: str, negative: str, model: str, steps: int | None, sampler: str) -> str:
        entry = samplers[split_joint_name(sampler)[0]] if sampler else None
        counts = [counted(tokens, text, model) for text in (prompt, negative)]
        said = page.say("create.tokens", prompt=counts[0], negative=counts[1]) if all(counts) else ""
        bars = drawn(prompt, steps, 2 if entry is not None and entry.facts["second_order"] else 1, page.say)
        return f'<p class="note tokens">{html.escape(said)}</p>{bars}'

    inputs = [controls[place] for place in ("prompt", "negative_prompt", "model", "steps", "sampler")]
    gr.on(
        [one.change for one in inputs],  # type: ignore[attr-defined]
        page.safely(shown),
        inputs=inputs,
        outputs=[plan],
        trigger_mode="always_last",
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )


def picker(page: Page) -> None:
    """Make the catalogue of words, LoRAs and embeddings that a click puts into the prompt."""
    say = page.say
    given = {
        "field": "#create-prompt",
        "negative": "#create-negative",
        "words": {key: text for key, text in say.table.items() if key.startswith("picker.")},
        "categories": categories(say.language),
    }
    with gr.Accordion(say("create.picker"), open=False):
        gr.HTML(
            html_template='<div class="picker"></div>',
            js_on_load=f"easel.picker(element, trigger, props, server, {json.dumps(given)});",
            apply_default_css=False,
            server_functions=[answering(page, catalogue_words(say.language)), answering(page, files_of(page.house))],
        )


def restoring(page: Page) -> gr.UploadButton:
    """Make the row that brings a whole form: from a picture's file, and as a link to come back to."""
    say = page.say
    with gr.Row(elem_classes="chips"):
        recall = gr.UploadButton(say("create.from_picture"), file_types=["image"], size="sm", elem_classes="quiet")
        link = gr.Button(say("create.link"), size="sm", elem_classes="quiet")
        clear = gr.Button(say("create.clear"), size="sm", elem_classes="quiet")
    link.click(None, js=f"() => easel.copyLink('create', {json.dumps(say('create.linked'))})", api_visibility="private")
    clear.click(None, js="() => easel.startOver('create')", api_visibility="private")
    return recall


def remembering(page: Page, controls: made.Controls) -> None:
    """Keep the form in this window as it changes, and bring it back from there, or from the address, when it opens."""
    widgets = list(controls.values())
    names = json.dumps(["create", list(controls), filled(controls, FRESH)])
    keep = f"(...values) => {{ easel.keepForm({names}, values); }}"
    changes = [one.change for one in widgets]  # type: ignore[attr-defined]
    gr.on(changes, None, inputs=widgets, js=keep, api_visibility="private")
    page.blocks.load(
        None,
        inputs=widgets,
        outputs=widgets,
        js=f"(...values) => easel.formAgain({names}, values)",
        api_visibility="private",
    )


TAB = Tab("create", build)
