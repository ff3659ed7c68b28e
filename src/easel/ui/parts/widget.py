"""The widget of a tab's parts: headings that open, rows to add and take away, a hint to look at.

js/parts.js draws it and keeps it for the window; its value goes with the form when a button is pressed, by `taken`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import gradio as gr

from easel.core.request import Request
from easel.ui import links
from easel.ui.drawn import data_url
from easel.ui.live import answering
from easel.ui.parts.hints import hints_of
from easel.ui.parts.lists import lists_of
from easel.ui.parts.reading import shown
from easel.ui.parts.tables import GROUPS, PARTS, Field, Part
from easel.ui.tab import Page, Sent
from easel.ui.words import Words

SAID = (
    *("on", "add", "remove", "more", "hint", "hint_title", "drawing_hint", "drop", "in_view", "nothing_in_view"),
    *("take_away", "draw", "pen", "undo", "clear", "use", "cancel", "none", "lacks", "lost", "auto"),
)


def parts_widget(
    page: Page,
    name: str,
    groups: Sequence[str] = tuple(GROUPS),
    *,
    canvas: str = "",
    begin: Mapping[str, Any] | None = None,
) -> gr.HTML:
    """Make the widget of tab `name` with some of the groups of parts.

    canvas: the element whose picture a control without its own takes, "" for none. begin: rows of a fresh form.
    """
    say = page.say
    given = {
        "name": name,
        "canvas": canvas,
        "begin": begin or {},
        "groups": [group_of(say, group) for group in groups],
        "words": {word: say(f"parts.{word}") for word in SAID},
    }
    return gr.HTML(
        html_template='<div class="parts"></div>',
        js_on_load=f"easel.parts(element, props, server, watch, {json.dumps(given)});",
        apply_default_css=False,
        server_functions=[answering(page, lists_of(page.house, say)), answering(page, hints_of(page.house))],
        elem_id=f"{name}-parts",
        elem_classes="parts-panel",
    )


def taken(name: str, others: str = "") -> str:
    """Return the script for an event's `js`: its first inputs become what a canvas and the parts hold at that moment.

    name: the tab's. others: a canvas' element, whose value comes before the parts', "" for none.
    """
    parts = f"await easel.partsValue('{name}')"
    if others:
        return f"async (_, __, ...given) => [await easel.canvasValue('{others}'), {parts}, ...given]"
    return f"async (_, ...given) => [{parts}, ...given]"


def showing(request: Request) -> dict[str, Any]:
    """Return the value that shows a request's parts."""
    return {"rows": shown(request), "at": uuid4().hex}


def added(sent: Sent) -> Any:
    """Return the value that adds a control unit with a sent picture; nothing where none was sent."""
    if sent.picture is None:
        return gr.skip()
    url = links.picture(sent.job, sent.number) if sent.job else data_url(sent.picture.read_bytes())
    return {"add": {"part": "controls", "field": "image", "url": url}, "at": uuid4().hex}


def group_of(say: Words, name: str) -> dict[str, Any]:
    """Return what the script is told of a group."""
    return {
        "name": name,
        "title": say(f"parts.group.{name}"),
        "note": say(f"parts.about.{name}"),
        "parts": [part_of(say, PARTS[part]) for part in GROUPS[name]],
    }


def part_of(say: Words, part: Part) -> dict[str, Any]:
    """Return what the script is told of a part."""
    return {
        "name": part.name,
        "title": say(f"parts.title.{part.name}"),
        "add": say(f"parts.adding.{part.name}"),
        "most": part.most,
        "fields": [field_of(say, part, field) for field in part.fields],
    }


def field_of(say: Words, part: Part, field: Field) -> dict[str, Any]:
    """Return what the script is told of a field."""
    own = f"parts.{part.name}.{field.name}"
    info = f"parts.{part.name}.{field.name}_info"
    found: dict[str, Any] = {
        "name": field.name,
        "kind": field.kind,
        "label": say(own) if say.has(own) else say(f"parts.field.{field.name}"),
        "value": plain(part.usual(field)),
        "more": field.more,
        "shown": {name: list(values) for name, values in field.shown.items()},
    }
    if say.has(info):
        found["info"] = say(info)
    if field.kind in ("range", "number"):
        found |= {"least": field.least, "greatest": field.greatest, "step": field.step}
    if field.kind == "choice":
        found["choices"] = [[value, choice_word(say, field, value)] for value in field.values]
    if field.kind in ("list", "options"):
        found |= {"of": field.of, "empty": field.empty, "first": field.first or not field.empty}
    return found


def choice_word(say: Words, field: Field, value: str) -> str:
    """Return what one value of a choice is called."""
    key = value.replace(" ", "_") or "none"
    return say(f"parts.choice.{field.name}_{key}")


def plain(value: Any) -> Any:
    """Return a value as JSON has it: texts parted by commas for several."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value
