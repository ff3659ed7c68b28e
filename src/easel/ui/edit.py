"""The tab "edit": pictures from pictures, on one canvas: drawn anew, sketched, inpainted, grown.

The canvas stands in canvas.py, what its controls mean in editing.py; what all requests have, in controls.py.
"""

from __future__ import annotations

import functools
from typing import Any
from uuid import uuid4

import gradio as gr

from easel.core.limits import MAX_SIDE
from easel.core.request import Request
from easel.ui import accordions, links
from easel.ui import controls as made
from easel.ui.canvas import canvas, told
from easel.ui.drawn import MODES, data_url, read_drawn
from easel.ui.editing import NAMES, PAINTING, SIDES, SOFT, USUAL, fields_of, values_of
from easel.ui.form import requests_of
from easel.ui.overlaid import before_after
from easel.ui.parts.reading import parts_of
from easel.ui.parts.widget import parts_widget, taken
from easel.ui.preferences import FRESH
from easel.ui.remembered import remember, shown
from easel.ui.results import asking, results
from easel.ui.shapes import USUAL as SIDE
from easel.ui.shapes import side_of
from easel.ui.tab import Page, Sent, Tab

CANVAS = "edit-canvas"
RESIZES = {"resize_just": "just resize", "resize_crop": "crop and resize", "resize_fill": "resize and fill"}
RESIZES |= {"resize_latent": "latent resize"}
FILLS = {
    "fill_original": "original",
    "fill_fill": "fill",
    "fill_noise": "latent noise",
    "fill_nothing": "latent nothing",
}
SOFT_RANGES = {"contrast": (1, 32), "mask_influence": (0, 1)}  # of all others 0..8
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def build(page: Page) -> None:
    """Make the tab's widgets."""
    say, house = page.say, page.house
    own: made.Controls = {}
    with gr.Row(elem_classes=["studio", "editing"]):
        with gr.Column(elem_classes="board"):
            own["mode"] = gr.Radio(
                choices(say, {mode: mode for mode in MODES}), value=MODES[0], label=say("edit.mode"), show_label=False
            )
            about = gr.Markdown(say(f"edit.about_{MODES[0]}"), elem_classes="note", elem_id="edit-about")
            board = canvas(say, MODES[0], CANVAS, (SIDE, SIDE))
        with gr.Column(elem_classes="words"):
            controls = made.prompt_controls(say, "edit")
            own["strength"] = slider(page, "strength", 0, 1, 0.01, info="strength_info")
            draw = gr.Button(say("edit.draw"), variant="primary", elem_classes="main", elem_id="edit-draw")
        with gr.Column(elem_classes="view"):
            panel = results(page, "edit")
            before_after(say, "edit")
        with gr.Column(elem_classes="controls"):
            controls |= made.style_control(say) | made.model_controls(say)
            with gr.Accordion(say("edit.mask_part"), open=True, visible=False) as mask_part:
                own |= mask_controls(page)
            with gr.Accordion(say("edit.grow_part"), open=True, visible=False) as grow_part:
                own |= grow_controls(page)
            with gr.Accordion(say("edit.picture_part"), open=True):
                own |= picture_controls(page)
                controls |= made.batch_controls(say) | made.seed_control(say)
            with gr.Accordion(say("create.sampling"), open=False):
                controls |= accordions.sampling(say)
            parts = parts_widget(page, "edit", canvas=CANVAS)
            controls |= accordions.clip(say)
            controls |= accordions.seldom(say)
    places, widgets = tuple(controls), [*controls.values(), *(own[name] for name in NAMES)]

    def asked(drawn: Any, held: Any, *values: Any) -> list[Request]:
        said = dict(zip((*places, *NAMES), values, strict=True))
        drawing = read_drawn(drawn)
        fields = fields_of({name: said[name] for name in NAMES}, drawing, side_of(house.library, said["model"]))
        return requests_of({place: said[place] for place in places}, house.settings, **fields, **parts_of(held))

    asking(page, panel, functools.partial(draw.click, js=taken("edit", CANVAS)), asked, [board, parts, *widgets])
    following_modes(page, own, about, mask_part, grow_part)
    controls["model"].change(  # type: ignore[attr-defined]
        lambda model: {"paper": side_of(house.library, model)}, inputs=[controls["model"]], outputs=[board], **QUIET
    )
    everything = controls | {name: own[name] for name in NAMES}
    remember(page, "edit", everything, [*shown(controls, FRESH), *USUAL.values()])
    accordions.offering(page.blocks, house, say, controls)
    # What comes is finished: its details and the like are done already, and the rows stay as they are.
    page.receives("edit", [board, *widgets], lambda sent: [opened(sent), *filled(controls, sent.request)])


def choices(say: Any, named: dict[str, str]) -> list[tuple[str, str]]:
    """Return what a control offers: the words of each key of this tab, and its value."""
    return [(say(f"edit.{key}"), value) for key, value in named.items()]


def slider(page: Page, name: str, least: float, most: float, step: float, info: str = "") -> gr.Slider:
    """Make a slider of this tab at its usual value."""
    say = page.say
    label, note = say(f"edit.{name}"), say(f"edit.{info}") if info else None
    return gr.Slider(least, most, value=USUAL[name], step=step, label=label, info=note, min_width=150)


def picture_controls(page: Page) -> made.Controls:
    """Make how large the result is and how much noise the picture gets."""
    say = page.say
    sizes = choices(say, {"size_shape": "shape", "size_own": "own"})
    found: made.Controls = {"size": gr.Radio(sizes, value=USUAL["size"], label=say("edit.size"))}
    found["longest"] = gr.Number(
        label=say("edit.longest"),
        info=say("edit.longest_info"),
        value=USUAL["longest"],
        precision=0,
        minimum=8,
        maximum=MAX_SIDE,
        step=8,
        placeholder=say("form.auto"),
    )
    with gr.Row(visible=False) as sides:
        for side in ("width", "height"):
            found[side] = gr.Number(
                label=say(f"form.{side}"),
                value=USUAL[side],
                precision=0,
                minimum=8,
                maximum=MAX_SIDE,
                step=8,
                min_width=100,
                elem_id=f"edit-{side}",
            )
    resizes = choices(say, RESIZES)
    found["resize"] = gr.Dropdown(resizes, value=USUAL["resize"], label=say("edit.resize"), visible=False)
    found["size"].change(  # type: ignore[attr-defined]
        lambda size: [gr.update(visible=size != "own"), *[gr.update(visible=size == "own")] * 2],
        inputs=[found["size"]],
        outputs=[found["longest"], sides, found["resize"]],
        queue=False,
        **QUIET,
    )
    with gr.Row():
        found["noise_multiplier"] = slider(page, "noise_multiplier", 0, 1.5, 0.01, "noise_multiplier_info")
        found["extra_noise"] = slider(page, "extra_noise", 0, 1, 0.01, "extra_noise_info")
    for name in ("all_steps", "match_colours"):
        found[name] = gr.Checkbox(label=say(f"edit.{name}"), value=USUAL[name])
    return found


def mask_controls(page: Page) -> made.Controls:
    """Make what the mask means."""
    say = page.say
    found: made.Controls = {"fill": gr.Dropdown(choices(say, FILLS), value=USUAL["fill"], label=say("edit.fill"))}
    found["blur"] = slider(page, "blur", 0, 64, 1, "blur_info")
    found["only_masked"] = gr.Checkbox(label=say("edit.only_masked"), value=False, info=say("edit.only_masked_info"))
    found["padding"] = slider(page, "padding", 0, 256, 4, "padding_info")
    found["invert"] = gr.Checkbox(label=say("edit.invert"), value=False)
    found["weight"] = slider(page, "weight", 0, 1, 0.01)
    found["soft"] = gr.Checkbox(label=say("edit.soft"), info=say("edit.soft_info"), value=False)
    with gr.Group(visible=False) as details:
        for name in SOFT:
            found[name] = slider(page, name, *SOFT_RANGES.get(name, (0, 8)), 0.05)
    found["soft"].change(  # type: ignore[attr-defined]
        lambda soft: gr.update(visible=soft), inputs=[found["soft"]], outputs=[details], queue=False, **QUIET
    )
    return found


def grow_controls(page: Page) -> made.Controls:
    """Make how far the picture grows; the canvas shows it."""
    found: made.Controls = {}
    for pair in (SIDES[:2], SIDES[2:]):
        with gr.Row():
            for side in pair:
                found[side] = slider(page, side, 0, 1024, 8)
    with gr.Row():
        found["feather"] = slider(page, "feather", 0, 256, 1, "feather_info")
        found["reach"] = slider(page, "reach", 0, 1024, 8, "reach_info")
    margins = [found[side] for side in SIDES]
    gr.on(
        [one.change for one in margins],  # type: ignore[attr-defined]
        None,
        inputs=margins,
        js=told(CANVAS, "margins"),
        api_visibility="private",
    )
    return found


def following_modes(page: Page, own: made.Controls, about: Any, mask_part: Any, grow_part: Any) -> None:
    """Show what each mode needs, on the canvas and beside it."""
    mode: Any = own["mode"]
    mode.change(None, inputs=[mode], js=told(CANVAS, "mode"), api_visibility="private")
    mode.change(
        lambda mode: [
            page.say(f"edit.about_{mode}"),
            gr.update(visible=mode in PAINTING),
            gr.update(visible=mode == "outpaint"),
        ],
        inputs=[mode],
        outputs=[about, mask_part, grow_part],
        queue=False,
        **QUIET,
    )


def opened(sent: Sent) -> dict[str, Any] | Any:
    """Return what opens a sent picture on the canvas; nothing where none was sent."""
    if sent.picture is None:
        return gr.skip()
    url = links.picture(sent.job, sent.number) if sent.job else data_url(sent.picture.read_bytes())
    return {"open": url, "at": uuid4().hex}


def filled(controls: made.Controls, request: Request | None) -> list[Any]:
    """Return a value for each control that shows a request; what it does not speak of stays as it is."""
    stays = [gr.skip()] * len(NAMES)
    if request is None:
        return [gr.skip()] * len(controls) + stays
    return [*shown(controls, request), *(values_of(request).values() if request.start else stays)]


TAB = Tab("edit", build)
