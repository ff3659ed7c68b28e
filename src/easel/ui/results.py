"""The panel that a tab shows its pictures in: how far they are, a look at what is drawn, and all that came of it.

The script js/results.js follows the jobs over /v1/jobs/ID/events, chooses among their pictures by keys, and finds them
again after a reload; this file puts it on the page, and gives it jobs. Knows no tab.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from easel.core.errors import UnknownJob
from easel.core.request import Request
from easel.ui.house import House, caller_of
from easel.ui.tab import Page, Sent

TARGETS = ("create", "edit", "control", "explore", "enlarge", "info")  # where a picture may be sent
ENLARGE = "enlarge_chosen"


def results(
    page: Page, name: str, targets: Sequence[str] = TARGETS, *, choosing: bool = False, examples: Sequence[str] = ()
) -> gr.HTML:
    """Make the panel of tab `name`, with a button for each of `targets` that sends the picture in view there.

    examples: prompts that it offers while it is empty; a click puts one into the element "NAME-prompt".
    choosing: whether several pictures may be chosen, to be enlarged together; then `panel.enlarge_chosen(...)` is an
    event, and chosen_of() reads what it brings.
    """
    events = [*(f"to_{target}" for target in targets if page.takes(target)), *([ENLARGE] if choosing else [])]
    given = {"name": name, "events": events, "words": words_for(page), "examples": list(examples)}
    panel = gr.HTML(
        html_template='<div class="results"></div>',
        js_on_load=f"easel.results(element, trigger, props, watch, {json.dumps(given)});",
        apply_default_css=False,
        elem_id=f"{name}-results",
        elem_classes="results-panel",
    )
    for target in targets:
        if page.takes(target):
            page.send(getattr(panel, f"to_{target}"), target, sent_by(page.house), [])
    return panel


def words_for(page: Page) -> dict[str, str]:
    """Return the words that the script needs: those of its section, the names of tabs, and what jobs fail of."""
    wanted = ("results.", "tab.", "error.")
    return {key: text for key, text in page.say.table.items() if key.startswith(wanted)}


def asking(
    page: Page,
    panel: gr.HTML,
    trigger: Callable[..., Any],
    requests_of: Callable[..., Sequence[Request]],
    inputs: Sequence[Component],
) -> Any:
    """Queue what `requests_of` returns when `trigger` fires, and have `panel` follow it; returns Gradio's dependency.

    requests_of: called with the values of `inputs`, and with gradio.Request and event data where its annotations ask.
    """
    asked = inspect.signature(requests_of, eval_str=True).parameters.values()
    wants_caller = any(one.annotation is gr.Request for one in asked)

    def submit(http: gr.Request, *values: Any) -> dict[str, Any]:
        requests = requests_of(*values, http) if wants_caller else requests_of(*values)
        return {"jobs": queued(page.house, requests, http)}

    takes_event = next((one for one in asked if one.annotation is gr.EventData), None)

    def submit_event(http: gr.Request, event: gr.EventData, *values: Any) -> dict[str, Any]:
        requests = requests_of(*values, event, http) if wants_caller else requests_of(*values, event)
        return {"jobs": queued(page.house, requests, http)}

    return trigger(
        page.safely(submit_event if takes_event else submit),
        inputs=list(inputs),
        outputs=[panel],
        show_progress="hidden",
        api_visibility="private",
    )


def queued(house: House, requests: Sequence[Request], http: gr.Request) -> list[dict[str, Any]]:
    """Queue requests and return what the script is told of their jobs; where one is refused, none stays."""
    caller = caller_of(http)
    for request in requests:
        house.check(request)
    jobs: list[dict[str, Any]] = []
    try:
        for request in requests:
            job = house.submit(request, caller)
            jobs.append({"id": job.id, "pictures": request.batch_size, "steps": request.steps or 0})
    except BaseException:
        for job in jobs:
            house.store.cancel(job["id"])
        raise
    return jobs


def sent_by(house: House) -> Callable[..., Sent]:
    """Return the function that makes what is sent of a picture in view; it goes to its owner alone."""

    def give(event: gr.EventData, http: gr.Request) -> Sent:
        return sent(house, event._data, http)

    return give


def sent(house: House, told: Any, http: gr.Request) -> Sent:
    """Return a picture and the settings that made it. told: {"job", "number"}. Raises UnknownJob, StorageError."""
    id, number = str(told.get("job", "")), told.get("number")
    job = house.store.get(id, caller_of(http).sees)
    if not isinstance(number, int) or not 0 <= number < len(job.pictures):
        raise UnknownJob(id)
    request = job.request if job.request.motion else job.request.one(number)  # a frame is only drawn with its clip
    return Sent(request, house.file_of(job.pictures[number]), id, number)


def chosen_of(house: House, event: gr.EventData, http: gr.Request) -> list[Sent]:
    """Return the pictures that were chosen, in their order; for the event `enlarge_chosen`."""
    return [sent(house, one, http) for one in event._data.get("pictures", [])]
