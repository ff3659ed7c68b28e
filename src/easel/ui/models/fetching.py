"""The form that fetches a model from Hugging Face, Civitai or a link."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from easel.core.caller import Caller
from easel.ui.models import labours
from easel.ui.models.cards import kind_choices, safe
from easel.ui.models.works import Form, admin
from easel.ui.tab import Page
from easel.ui.workshop import Labour


def form(page: Page) -> Form:
    """Make the form."""
    say, house = page.say, page.house
    what = gr.Textbox(label=say("models.fetch.what"), info=say("models.fetch.what_info"), elem_id="models-fetch-what")
    with gr.Row():
        kinds = [(say("models.fetch.find_out"), ""), *kind_choices(say)[1:]]
        kind = gr.Dropdown(kinds, value="", label=say("models.kinds"))
        name = gr.Textbox(label=say("models.save_as"), placeholder=say("models.fetch.own_name"))
    token = gr.Textbox(label=say("models.token"), type="password", info=say("models.fetch.token_info"))
    keep = gr.Checkbox(label=say("models.fetch.keep_token"))
    with gr.Accordion(say("models.fetch.more"), open=False):
        file = gr.Textbox(label=say("models.file"), info=say("models.fetch.file_info"))
        revision = gr.Textbox(label=say("models.revision"), info=say("models.fetch.revision_info"))
        sha256 = gr.Textbox(label=say("models.sha256"), info=say("models.fetch.sha256_info"))
        force = gr.Checkbox(label=say("models.replace"))
    plan = gr.HTML(elem_classes="models-plan")
    with gr.Row():
        look = gr.Button(say("models.fetch.look"))
        button = gr.Button(say("models.fetch.do"), variant="primary")
    fields = [what, kind, name, file, revision, sha256, token]

    def looked(request: gr.Request, what: str, *given: str) -> str:
        """Return what would be fetched."""
        admin(request, say)
        *wish, token = given
        planned = labours.planned_for(labours.asked_for(what), labours.wish_of(*wish), token.strip())
        lines = [labours.told_of(planned), *planned.notes]
        return "".join(f"<p>{safe(line)}</p>" for line in lines)

    def begin(caller: Caller, what: str, *given: Any) -> tuple[str, Callable[[], Labour]]:
        """Return the work of fetching; keeps the token first where that is asked."""
        *wish, token, keep, force = given
        asked, wished, token = labours.asked_for(what), labours.wish_of(*wish), token.strip()
        if keep:
            labours.keep_token(asked, token)
        settings, library = house.settings, house.library
        return asked, lambda: labours.downloading(asked, wished, token, settings, library, force=force)

    look.click(page.safely(looked), fields, plan, api_visibility="private")
    return Form("fetch", button, [*fields, keep, force], begin)
