"""Lists that a script of the page draws and keeps: the seam between such a script and functions of a tab.

A script in js/ gets words, and asks functions here by name, with a mapping of wishes; what goes wrong is told in the
page's language. Knows no tab.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from easel.core.caller import Caller
from easel.core.errors import BadValue, EaselError
from easel.ui.house import caller_of
from easel.ui.tab import Page, in_words

Wishes = Mapping[str, Any]
Function = Callable[[Wishes, Caller], Any]


def live(page: Page, script: str, functions: Sequence[Function], events: Sequence[str] = (), **props: Any) -> gr.HTML:
    """Make a widget that `easel.SCRIPT(element, trigger, props, server)` of js/ draws.

    functions: what the script may ask as server.NAME(wishes); each returns JSON. events: what it may trigger, for
    `widget.NAME(...)`. props: what it is given besides the words of the tab, by the last part of their keys.
    """
    words = {
        key.removeprefix(f"{script}."): text for key, text in page.say.table.items() if key.startswith(f"{script}.")
    }
    return gr.HTML(
        html_template="",
        js_on_load=f"easel.{script}(element, trigger, props, server, {json.dumps(list(events))});",
        apply_default_css=False,
        server_functions=[answering(page, function) for function in functions],
        elem_id=f"{script}-list",
        words={**words, "lost": page.say("page.lost")},
        **props,
    )


def answering(page: Page, function: Function) -> Callable[..., Any]:
    """Return a function as Gradio serves it: its EaselErrors come as {"error": a line}."""

    def answer(wishes: Any, request: gr.Request) -> Any:
        try:
            if not isinstance(wishes, Mapping):
                raise BadValue("wishes", wishes, "named values")
            return function(wishes, caller_of(request))
        except EaselError as error:
            return {"error": in_words(error, page.say)}

    answer.__name__ = function.__name__
    return answer
