"""The way to the page: its addresses are there as soon as the server listens, the page itself a moment later.

Gradio and the page's widgets take a second or two to load and to lay out. That is done in a thread, so that programs
are answered meanwhile; who asks for the page before it stands waits for it. Knows no tabs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from easel.core.languages import preferred
from easel.core.loading import uncollected
from easel.ui import before, files, plotted, preferences, previews
from easel.ui.house import House
from easel.ui.words import LANGUAGES

COOKIE = "easel_language"  # the language that was chosen with the switch
PATHS = tuple(f"/{language}" for language in LANGUAGES)  # what is mounted; "/" besides

Wing = tuple[FastAPI, ASGIApp]  # what is started and ended, and what answers


def mount(web: FastAPI, house: House) -> Building:
    """Put the page into the server's app, at "/", "/en" and "/ko"; who may see it, the app's gate decides.

    It is built when the app starts, so the app's lifespan must run. Returns how far that is.
    """
    files.add(web, house)
    preferences.add(web, house)
    before.add(web, house)
    plotted.add(web, house)
    previews.add(web, house.library)

    @web.get("/", include_in_schema=False)
    def home(request: Request) -> RedirectResponse:
        """Lead to the page in the asker's language; what stands behind "?" goes with them."""
        chosen = request.cookies.get(COOKIE, "")
        language = chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""), LANGUAGES)
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/{language}/{query}", status_code=307, headers={"Vary": "Accept-Language, Cookie"})

    _ = home
    building = Building(partial(made, house))
    for language in LANGUAGES:
        web.mount(f"/{language}", partial(building.answer, language))
    usual = web.router.lifespan_context

    @asynccontextmanager
    async def with_page(app: FastAPI) -> AsyncGenerator[Any]:
        async with usual(app) as state, building.open():
            yield state

    web.router.lifespan_context = with_page
    return building


def made(house: House, language: str) -> Wing:
    """Return the page in one language; the first call loads Gradio. For a thread without a loop."""
    from easel.ui.stubless import without_stubs

    async def wing() -> Wing:
        from easel.ui import page

        return page.wing(house, language)

    with uncollected(), without_stubs():
        return asyncio.run(wing())  # Gradio wants a running loop: without one it opens a dozen and closes none


class Building:
    """The page in every language, built one after another while the server answers. make: builds it in one."""

    def __init__(self, make: Callable[[str], Wing]) -> None:
        self._make = make
        self._built: dict[str, asyncio.Future[ASGIApp]] = {}

    @property
    def stands(self) -> bool:
        """Whether nobody would have to wait."""
        return bool(self._built) and all(built.done() for built in self._built.values())

    async def answer(self, language: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, when the page stands; raises what kept it from being built."""
        app = await asyncio.shield(self._built[language])
        await app(scope, receive, send)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Build while the context is open, and end what was built with it."""
        ended = asyncio.Event()
        self._built = {language: asyncio.get_running_loop().create_future() for language in LANGUAGES}
        work = asyncio.create_task(self._work(ended))
        try:
            yield
        finally:
            ended.set()
            await work

    async def _work(self, ended: asyncio.Event) -> None:
        """Build, and keep what was built running; one task, as what it enters must be left by the same."""
        async with AsyncExitStack() as running:
            for language, built in self._built.items():
                if ended.is_set():
                    built.cancel()
                    continue
                try:
                    app, answering = await asyncio.to_thread(self._make, language)
                    await running.enter_async_context(app.router.lifespan_context(app))
                    built.set_result(answering)
                except Exception as error:  # told to everybody who asks for the page; programs are served on
                    built.set_exception(error)
            await ended.wait()
