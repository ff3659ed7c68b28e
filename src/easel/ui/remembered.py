"""A tab's form, kept in its window: as it was after a reload, and in an address that brings it back.

In an address the names of controls begin with the tab's name, for "create" has the bare ones. js/create.js keeps them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from easel.core.request import Request
from easel.ui.controls import Controls
from easel.ui.form import from_request
from easel.ui.tab import Page


def shown(controls: Controls, request: Request) -> list[Any]:
    """Return a value for each control that shows a request; lists have "" where nothing is asked."""
    values = from_request(request)
    return [
        "" if values.get(place) is None and isinstance(widget, gr.Dropdown) else values.get(place)
        for place, widget in controls.items()
    ]


def remember(page: Page, name: str, controls: Controls, usual: Sequence[Any]) -> None:
    """Keep the form of tab `name` as it changes, and bring it back when the page opens. usual: of a fresh form."""
    widgets = list(controls.values())
    names = json.dumps([name, [f"{name}.{place}" for place in controls], list(usual)])
    keep = f"(...values) => {{ easel.keepForm({names}, values); }}"
    changes = [one.change for one in widgets]  # type: ignore[attr-defined]
    gr.on(changes, None, inputs=widgets, js=keep, api_visibility="private")
    again = f"(...values) => easel.formAgain({names}, values)"
    page.blocks.load(None, inputs=widgets, outputs=widgets, js=again, api_visibility="private")
