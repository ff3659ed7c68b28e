"""Finished grids as files: the labelled sheets, and the cells one after another as a film; each to its owner alone.

Which grid is meant says the browser, which keeps it; plots.py lays it out. Who asks, the gate in front of the app has
found; how errors are told, the app knows.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from easel.core.errors import BadValue
from easel.ui.house import House, caller_of
from easel.ui.plots import Plot, film, read_plot, sheet

SHEET, FILM = "/files/plots/sheet", "/files/plots/film"
KINDS = {"gif": "image/gif", "webp": "image/webp", "mp4": "video/mp4"}


def add(web: FastAPI, house: House) -> None:
    """Add the routes that give sheets, as PNG, and films."""

    @web.post(SHEET, include_in_schema=False)
    async def give_sheet(request: Request) -> Response:
        """Give the sheet number "z" of a "plot". Raises RequestError, UnknownJob, StorageError."""
        asked = wishes(await request.body())
        plot, z = plot_of(asked), asked.get("z", 0)
        if not isinstance(z, int) or not 0 <= z < len(plot.z.values):
            raise BadValue("z", z, f"0 to {len(plot.z.values) - 1}")
        data = await run_in_threadpool(sheet, house, caller_of(request), plot, z)
        return Response(data, media_type="image/png")

    @web.post(FILM, include_in_schema=False)
    async def give_film(request: Request) -> Response:
        """Give a "plot" as a film in a "format", "fps" pictures a second, with "bounce" back to the first.

        Raises RequestError, UnknownJob, StorageError.
        """
        asked = wishes(await request.body())
        format, fps = str(asked.get("format", "gif")), asked.get("fps", 4)
        if not isinstance(fps, int | float):
            raise BadValue("fps", fps, "a number")
        bounce = bool(asked.get("bounce"))
        data = await run_in_threadpool(film, house, caller_of(request), plot_of(asked), format, fps, bounce)
        return Response(data, media_type=KINDS[format])

    _ = give_sheet, give_film


def wishes(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body. Raises BadValue for anything else."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadValue("body", body[:40], "a JSON object")
    return found


def plot_of(asked: dict[str, Any]) -> Plot:
    """Return the plot that is asked for. Raises BadValue where it is none."""
    plot = read_plot(asked.get("plot"))
    if plot is None:
        raise BadValue("plot", asked.get("plot"), "a grid that the page keeps")
    return plot
