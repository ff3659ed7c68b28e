"""The form that writes a model anew: as one file or a folder, in other numbers, without leftovers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from easel.core.caller import Caller
from easel.core.errors import BadValue
from easel.ui.models import labours
from easel.ui.models.mixing import FORMATS
from easel.ui.models.works import Form
from easel.ui.tab import Page
from easel.ui.workshop import Labour

# What becomes of what training left behind: prune, keep_ema and use_ema of a Change.
LEFTOVERS: Mapping[str, tuple[bool, bool, bool]] = {
    "all": (False, False, False),
    "prune": (True, False, False),
    "keep_ema": (True, True, False),
    "use_ema": (True, False, True),
}
LAYOUTS = ("file", "folder")


def form(page: Page) -> Form:
    """Make the form."""
    say, house = page.say, page.house
    model = gr.Dropdown([""], value="", label=say("models.convert.model"))
    with gr.Row():
        layouts = [(say(f"models.layout.{layout}"), layout) for layout in LAYOUTS]
        layout = gr.Radio(layouts, value="file", label=say("models.fact.layout"))
        dtype = gr.Dropdown([(say("models.as_it_is"), ""), *FORMATS], value="", label=say("models.fact.numbers"))
    leftover_choices = [(say(f"models.convert.leftovers_{name}"), name) for name in LEFTOVERS]
    leftovers = gr.Dropdown(leftover_choices, value="all", label=say("models.convert.leftovers"))
    vae = gr.Dropdown([(say("models.own"), "")], value="", label=say("models.vae"))
    with gr.Row():
        name = gr.Textbox(label=say("models.save_as"), scale=2, elem_id="models-convert-name")
        force = gr.Checkbox(label=say("models.replace"))
    button = gr.Button(say("models.convert.do"), variant="primary")

    def begin(caller: Caller, model: str, layout: str, *given: Any) -> tuple[str, Callable[[], Labour]]:
        """Return the work of converting."""
        from easel.models.rewriting.converting import Change

        dtype, leftovers, vae, name, force = given
        if not model:
            raise BadValue(say("models.convert.model"), "", say("models.convert.needed"))
        folder = layout == "folder"
        labours.check_name(name, "" if folder else labours.SINGLE, house.settings, force=force)
        change = Change(dtype or None, *LEFTOVERS[leftovers])
        settings, library = house.settings, house.library
        options = {"folder": folder, "vae": vae, "force": force}
        return name.strip(), lambda: labours.converting(model, change, name, settings, library, **options)

    return Form("convert", button, [model, layout, dtype, leftovers, vae, name, force], begin, (model,), (vae,))
