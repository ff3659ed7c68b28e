"""The web page: its tabs in order, once in each language, mounted in the server's app.

"/" leads to the language of the browser, or to the one that was chosen before. What a tab holds stands in its own file.
"""

from __future__ import annotations

import os
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse

from easel.ui import (
    before,
    create,
    edit,
    enlarge,
    explore,
    files,
    gallery,
    help,
    info,
    look,
    models,
    plotted,
    preferences,
    previews,
    queue,
    settings,
)
from easel.ui.header import header
from easel.ui.house import House
from easel.ui.index import Dressed
from easel.ui.tab import Page, Tab
from easel.ui.words import LANGUAGES, Words, preferred, words_of

TABS: tuple[Tab, ...] = (
    create.TAB,
    edit.TAB,
    explore.TAB,
    enlarge.TAB,
    info.TAB,
    models.TAB,
    queue.TAB,
    gallery.TAB,
    settings.TAB,
    help.TAB,
)
COOKIE = "easel_language"  # the language that was chosen with the switch
PATHS = tuple(f"/{language}" for language in LANGUAGES)  # what is mounted; "/" besides
LARGEST_FILE = 64 * 2**20  # bytes of a picture that is dropped on the page
AT_ONCE = 64  # events of one kind that may run at once; most of them wait for a job and cost nothing


def mount(web: FastAPI, house: House) -> None:
    """Put the page into the server's app, at "/", "/en" and "/ko"; who may see it, the app's gate decides."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(2**31)  # else each event has pandas count all before it
    files.add(web, house)
    preferences.add(web, house)
    before.add(web, house)
    plotted.add(web, house)

    @web.get("/", include_in_schema=False)
    def home(request: Request) -> RedirectResponse:
        """Lead to the page in the asker's language; what stands behind "?" goes with them."""
        chosen = request.cookies.get(COOKIE, "")
        language = chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""))
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/{language}/{query}", status_code=307, headers={"Vary": "Accept-Language, Cookie"})

    previews.add(web, house.library)
    for language in LANGUAGES:
        gr.mount_gradio_app(
            web,
            built(house, words_of(language)),
            f"/{language}",
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            enable_monitoring=False,
            show_error=False,
            max_file_size=LARGEST_FILE,
            theme=look.theme(),
            css=look.stylesheet(),
            app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        )
        mounted: Any = web.routes[-1]
        mounted.app.add_middleware(Dressed, language=language, head=look.head(language))


def built(house: House, say: Words) -> gr.Blocks:
    """Return the page in one language."""
    with gr.Blocks(title=say("page.title"), analytics_enabled=False, fill_width=True) as blocks:
        header(say)
        with gr.Tabs(elem_id="tabs") as tabs:
            page = Page(house, say, blocks, tabs, tuple(tab.name for tab in TABS))
            for tab in TABS:
                with gr.Tab(say(f"tab.{tab.name}"), id=tab.name, elem_id=f"tab-{tab.name}") as page.tab:
                    tab.build(page)
        page.wire()
    return blocks.queue(default_concurrency_limit=AT_ONCE, api_open=False)
