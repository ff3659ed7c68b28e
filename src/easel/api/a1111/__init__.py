"""AUTOMATIC1111's dialect: /sdapi/v1/* and what its page and its first extensions ask besides, in the peer's shapes.

It translates: bodies to core.Request, jobs to answers. What a caller sets, sees and stops is that caller's own.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from easel.api.a1111 import controls, drawing, handling, lists, networks, preprocessing
from easel.api.a1111.house import House
from easel.api.doors import Doors
from easel.core.errors import EaselError

PATHS = ("/sdapi/", "/internal/", "/rembg", networks.PATH, *preprocessing.PATHS)


class Timed(APIRoute):
    """A route whose answers say how long they took, in seconds."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler that measures."""
        handle = super().get_route_handler()

        async def timed(http: Request) -> Response:
            begun = perf_counter()
            answer = await handle(http)
            answer.headers["X-Process-Time"] = f"{perf_counter() - begun:.4f}"
            return answer

        return timed


def routes(doors: Doors) -> APIRouter:
    """Return the routes of this dialect over one queue."""
    router, house = APIRouter(route_class=Timed, tags=["AUTOMATIC1111"]), House(doors)
    drawing.add(router, house)
    controls.add(router, house)
    lists.add(router, house)
    handling.add(router, house)
    networks.add(router, house)
    preprocessing.add(router, house)
    return router


def shape(error: EaselError, status: int) -> dict[str, Any]:
    """Return an error as this dialect's clients look for it."""
    return {"error": type(error).__name__, "detail": error.message, "body": "", "errors": error.message}
