"""The part of a tab that lays the picture in view over what it was made from, with a line between them that moves.

js/slider.js draws it, before.py gives the pictures. Knows no tab.
"""

from __future__ import annotations

import json

import gradio as gr

from easel.ui.words import Words


def before_after(say: Words, name: str) -> gr.HTML:
    """Make the part for the panel of results of tab `name`; it shows itself where there is something to compare."""
    words = {"before": say("edit.before"), "after": say("edit.after"), "moves": say("explore.slider")}
    return gr.HTML(
        html_template=f'<details open><summary>{say("edit.over")}</summary><div class="place"></div></details>',
        js_on_load=f"easel.beforeAfter(element, {json.dumps(name)}, {json.dumps(words)});",
        apply_default_css=False,
        elem_id=f"{name}-before-after",
        elem_classes="before-after",
    )
