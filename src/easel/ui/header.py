"""The line above the tabs: the house's name, the language, light or dark. Knows no tabs."""

from __future__ import annotations

import json

import gradio as gr

from easel.ui.words import LANGUAGES, Words, words_of


def header(say: Words) -> gr.HTML:
    """Make the line; what is chosen is kept by the browser."""
    given = {
        "title": say("page.title"),
        "language": say.language,
        "languages": {name: words_of(name)("page.name") for name in LANGUAGES},
        "choose": say("page.language"),
        "shade": say("page.shade"),
        "keys": say("page.keys"),
    }
    return gr.HTML(
        html_template='<header class="easel-header"></header>',
        js_on_load=f"easel.header(element, {json.dumps(given)});",
        apply_default_css=False,
        elem_classes="header-line",
    )
