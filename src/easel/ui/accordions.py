"""Parts of a form that several tabs lay out alike, each under a heading that opens. Knows no tab."""

from __future__ import annotations

from typing import Any

import gradio as gr

from easel.ui import controls as made
from easel.ui.house import House
from easel.ui.words import Words

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def sampling(say: Words) -> made.Controls:
    """Make sampler, schedule, steps and guidance, and the options of what is chosen, which come and go with it."""
    found = made.sampling_controls(say)
    with gr.Row():
        options = made.option_controls(say)
    for chosen in ("sampler", "schedule"):
        found[chosen].change(  # type: ignore[attr-defined]
            lambda sampler, schedule: made.options_shown(options, sampler, schedule),
            inputs=[found["sampler"], found["schedule"]],
            outputs=list(options.values()),
            queue=False,
            **QUIET,
        )
    return found | options


def seldom(say: Words) -> made.Controls:
    """Make what is seldom changed, closed: variation, parts of the model, everything further."""
    with gr.Accordion(say("create.variation"), open=False):
        found = made.variation_controls(say)
    with gr.Accordion(say("create.parts"), open=False):
        found |= made.part_controls(say) | made.refiner_controls(say)
    with gr.Accordion(say("create.further"), open=False):
        found |= made.further_controls(say)
    return found


def clip(say: Words) -> made.Controls:
    """Make what makes a clip of the pictures, closed."""
    with gr.Accordion(say("create.clip"), open=False):
        return made.motion_controls(say)


def offering(
    blocks: gr.Blocks, house: House, say: Words, controls: made.Controls, also: made.Controls | None = None
) -> None:
    """Have lists show what there is to choose when the page opens. also: lists beside the form, by the same names."""
    lists = [(place, controls[place]) for place in made.OFFERED if place in controls] + list((also or {}).items())
    places = [place for place, _ in lists]
    blocks.load(
        lambda: made.offered(house, say, places), outputs=[control for _, control in lists], queue=False, **QUIET
    )
