"""The form that merges two or three checkpoints into a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gradio as gr

from easel.core.caller import Caller
from easel.core.errors import BadValue
from easel.models.rewriting.blocks import PRESETS
from easel.ui.models import labours
from easel.ui.models.works import QUIET, Form
from easel.ui.tab import Page
from easel.ui.workshop import Labour

FORMATS = ("float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")


class Method(NamedTuple):
    """A way of merging as the form has to know it. third: whether it takes a model C."""

    third: bool
    least: float
    most: float


# As in models/rewriting/methods.py, whose formulas need torch.
METHODS: Mapping[str, Method] = {
    "weighted": Method(False, 0, 1),
    "difference": Method(True, -2, 2),
    "train-difference": Method(True, 0, 2),
}


def form(page: Page) -> Form:
    """Make the form."""
    say, house = page.say, page.house
    methods = [(say(f"models.merge.method.{name.replace('-', '_')}"), name) for name in METHODS]
    method = gr.Radio(methods, value="weighted", label=say("models.merge.method_label"))
    with gr.Row():
        a = gr.Dropdown([""], value="", label=say("models.merge.a"), info=say("models.merge.a_info"))
        b = gr.Dropdown([""], value="", label=say("models.merge.b"), info=say("models.merge.b_info"))
        c = gr.Dropdown([""], value="", label=say("models.merge.c"), info=say("models.merge.c_info"), visible=False)
    ratio = gr.Slider(0, 1, 0.3, step=0.01, label=say("models.merge.ratio"))
    with gr.Accordion(say("models.merge.parts"), open=False):
        blocks = gr.Dropdown(
            ["", *PRESETS],
            value="",
            allow_custom_value=True,
            label=say("models.merge.blocks"),
            info=say("models.merge.blocks_info"),
        )
        with gr.Row():
            text = gr.Number(None, label=say("models.merge.text"), info=say("models.merge.as_ratio"), step=0.01)
            vae_ratio = gr.Number(None, label=say("models.merge.vae"), info=say("models.merge.as_ratio"), step=0.01)
    with gr.Row():
        vae = gr.Dropdown([(say("models.own"), "")], value="", label=say("models.vae"))
        dtype = gr.Dropdown([(say("models.as_it_is"), ""), *FORMATS], value="", label=say("models.fact.numbers"))
    with gr.Row():
        name = gr.Textbox(label=say("models.save_as"), scale=2, elem_id="models-merge-name")
        force = gr.Checkbox(label=say("models.replace"))
    button = gr.Button(say("models.merge.do"), variant="primary")

    def chosen(method: str, ratio: float) -> tuple[Any, Any]:
        """Return the third model's field and the ratio's as the method has them."""
        how = METHODS[method]
        return gr.Dropdown(visible=how.third), gr.Slider(how.least, how.most, min(max(ratio, how.least), how.most))

    def begin(caller: Caller, method: str, a: str, b: str, c: str, *given: Any) -> tuple[str, Callable[[], Labour]]:
        """Return the work of merging."""
        from easel.models.rewriting.record import Wish

        ratio, blocks, text, vae_ratio, vae, dtype, name, force = given
        names = (a, b, c) if METHODS[method].third else (a, b)
        for letter, one in zip("abc", names, strict=False):
            if not one:
                raise BadValue(say(f"models.merge.{letter}"), "", say("models.merge.needed"))
        labours.check_name(name, labours.SINGLE, house.settings, force=force)
        wish = Wish(method, ratio, blocks.strip() or None, text, vae_ratio, vae or None, dtype or None)
        settings, library = house.settings, house.library
        return name.strip(), lambda: labours.merging(names, wish, name, settings, library, force=force)

    page.begin_empty([text, vae_ratio])
    method.input(chosen, [method, ratio], [c, ratio], **QUIET)
    inputs = [method, a, b, c, ratio, blocks, text, vae_ratio, vae, dtype, name, force]
    return Form("merge", button, inputs, begin, (a, b, c), (vae,))
