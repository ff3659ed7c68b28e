"""The web page: its tabs in order, as an app in one language.

What a tab holds stands in its own file; where the page is found, and when it is built, front.py says.
"""

from __future__ import annotations

import os
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from easel.ui import (
    create,
    edit,
    enlarge,
    explore,
    gallery,
    help,
    info,
    look,
    models,
    queue,
    settings,
)
from easel.ui.header import header
from easel.ui.house import House
from easel.ui.index import Dressed
from easel.ui.tab import Page, Tab
from easel.ui.words import Words, words_of

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
LARGEST_FILE = 64 * 2**20  # bytes of a picture that is dropped on the page
AT_ONCE = 64  # events of one kind that may run at once; most of them wait for a job and cost nothing


def wing(house: House, language: str) -> tuple[FastAPI, ASGIApp]:
    """Return the page in one language: the app that is started and ended, and what answers below the language's path.

    Who may see it, and which sites' pages may ask, the gate in front of it decides.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(2**31)  # else each event has pandas count all before it
    web = FastAPI(middleware=[Middleware(CORSMiddleware)])  # it is never called: so Gradio adds no rules of its own
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
    return web, mounted.app


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
