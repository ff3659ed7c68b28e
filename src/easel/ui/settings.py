"""The tab "settings": what a user's new forms begin with.

The controls are those of the form; js/settings.js searches them. What is kept where, preferences.py knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import gradio as gr

from easel.ui import controls as made
from easel.ui.house import caller_of
from easel.ui.preferences import keep, usual, wanted
from easel.ui.tab import Page, Tab
from easel.ui.words import Words


def build(page: Page) -> None:
    """Make the tab's widgets."""
    say, house = page.say, page.house
    gr.HTML(
        head(say),
        html_template="${value}",
        js_on_load="easel.settings(element);",
        apply_default_css=False,
        elem_id="settings-head",
    )
    with gr.Column(elem_id="settings-form"):
        controls = groups(say)
        with gr.Row(elem_classes="settings-end"):
            save = gr.Button(say("settings.save"), variant="primary", elem_classes="main", elem_id="settings-save")
            clear = gr.Button(say("settings.clear"), elem_id="settings-clear")
        said = gr.HTML(elem_id="settings-said", apply_default_css=False)
    places, widgets = tuple(controls), list(controls.values())

    def load(request: gr.Request) -> list[Any]:
        return filled(controls, wanted(house, caller_of(request)))

    def kept(request: gr.Request, *values: Any) -> str:
        count = keep(house, caller_of(request), dict(zip(places, values, strict=True)))
        return note(say("settings.kept", count=count) if count else say("settings.cleared"))

    def cleared(request: gr.Request) -> list[Any]:
        known = usual()
        keep(house, caller_of(request), {place: known.get(place) for place in places})
        return [*filled(controls, {}), note(say("settings.cleared"))]

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    save.click(page.safely(kept), inputs=widgets, outputs=[said], **quiet)
    clear.click(page.safely(cleared), outputs=[*widgets, said], **quiet)
    page.blocks.load(page.safely(load), outputs=widgets, queue=False, **quiet)
    offered = [place for place in made.OFFERED if place in controls]
    page.blocks.load(
        lambda: made.offered(house, say, offered), outputs=[controls[place] for place in offered], queue=False, **quiet
    )


def groups(say: Words) -> made.Controls:
    """Make the controls in their groups."""
    found: made.Controls = {}
    for name, makers in (
        ("pictures", (made.model_controls, made.size_controls, made.batch_controls)),
        ("sampling", (made.sampling_controls,)),
        ("words", (negative_control,)),
        ("parts", (made.part_controls,)),
        ("further", (made.further_controls,)),
    ):
        with gr.Column(elem_classes="settings-group"):
            gr.HTML(
                f"<h2>{escape(say(f'settings.{name}'))}</h2>", apply_default_css=False, elem_classes="settings-title"
            )
            for maker in makers:
                found |= maker(say)
    return found


def negative_control(say: Words) -> made.Controls:
    """Make the negative prompt that every new form begins with."""
    label = say("form.negative_prompt")
    return {"negative_prompt": gr.Textbox(label=label, lines=2, max_lines=8, elem_id="settings-negative")}


def filled(controls: made.Controls, values: Mapping[str, Any]) -> list[Any]:
    """Return a value for each control; a list shows what is left to the model as its first line."""
    known = {**usual(), **values}
    return [
        "" if known.get(place) is None and isinstance(control, gr.Dropdown) else known.get(place)
        for place, control in controls.items()
    ]


def note(line: str) -> str:
    """Return a line as it stands below the buttons."""
    return f'<p role="status">{escape(line)}</p>'


def head(say: Words) -> str:
    """Return what stands above the controls: a search, and what the settings are for."""
    return (
        '<div class="bar" role="search"><label class="field grow" for="settings-search">'
        f"<span>{escape(say('settings.search'))}</span>"
        f'<input type="search" id="settings-search" placeholder="{escape(say("settings.search_hint"))}"></label></div>'
        f'<p class="note">{escape(say("settings.about"))}</p>'
        f'<p class="empty" role="status" hidden>{escape(say("settings.nothing_found"))}</p>'
    )


TAB = Tab("settings", build)
