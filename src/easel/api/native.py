"""Easel's own dialect, /v1: jobs, what there is to choose by name, and how the house is.

A request is `core.Request` as JSON, field for field; so there is nothing to translate. Jobs stand in
native_jobs.py.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from easel.api import native_jobs, outputs
from easel.api.doors import Doors
from easel.api.metrics import Meters
from easel.api.shown import (
    ChoiceShown,
    HealthShown,
    ModelsShown,
    StyleShown,
    Wrong,
    shown_choice,
    shown_model,
    shown_style,
)
from easel.core.errors import StorageError
from easel.core.registry import Registry
from easel.prompt.styles import read_styles

PATIENCE = 2.0  # seconds in which new model files are read before they are listed

# What every route may answer besides, for the document.
ANSWERS: dict[int | str, dict[str, Any]] = {
    401: {"model": Wrong, "description": "No name and secret, or a wrong one."},
    403: {"model": Wrong, "description": "Not for this caller, or not for pages of that site."},
    422: {"model": Wrong, "description": "Something asked cannot be; the answer says what, and what is allowed."},
    429: {"model": Wrong, "description": "Too many wrong secrets."},
    507: {"model": Wrong, "description": "The disk or the database cannot now."},
}


def routes(doors: Doors, meters: Meters) -> APIRouter:
    """Return the routes of /v1."""
    router = APIRouter(prefix="/v1", responses=ANSWERS)
    router.include_router(native_jobs.routes(doors))
    router.include_router(outputs.routes(doors))
    router.include_router(lists(doors))
    router.include_router(house(doors, meters))
    return router


def lists(doors: Doors) -> APIRouter:
    """Return the routes that list what there is to choose by name."""
    router = APIRouter(tags=["names"])

    @router.get("/models")
    async def models(
        kind: Annotated[
            str | None, Query(description="checkpoint, lora, vae, embedding ...; all where left out.")
        ] = None,
    ) -> ModelsShown:
        """List models, LoRAs and all else that stands in the model folders."""
        return await asyncio.to_thread(listed, doors, kind)

    @router.get("/samplers")
    def samplers() -> list[ChoiceShown]:
        """List samplers: other names, default schedule, options."""
        from easel.sampling import samplers

        return choices(samplers)

    @router.get("/schedules")
    def schedules() -> list[ChoiceShown]:
        """List schedules: other names, options."""
        from easel.sampling import schedules

        return choices(schedules)

    @router.get("/upscalers")
    def upscalers() -> list[ChoiceShown]:
        """List upscalers: whether they enlarge latents or pixels; those of files after our own."""
        from easel.post.upscalers import PIXELS, upscalers

        files = doors.library.places("upscaler")
        return [
            *choices(upscalers),
            *(ChoiceShown(name=name, aliases=[], options={}, works_on=PIXELS) for name in files),
        ]

    @router.get("/preprocessors")
    def preprocessors() -> list[ChoiceShown]:
        """List what draws hints for control models: other names, options."""
        from easel.models.readers import all_preprocessors

        return [shown_choice(entry) for entry in all_preprocessors()]

    @router.get("/styles")
    def styles() -> list[StyleShown]:
        """List the styles of the styles file."""
        file = doors.settings.styles
        return [shown_style(style) for style in read_styles(file).values()] if file.exists() else []

    return router


def listed(doors: Doors, kind: str | None) -> ModelsShown:
    """Return the files of one kind, or of all. Raises UnknownName for what is no kind."""
    return ModelsShown(data=[shown_model(entry) for entry in doors.library.entries(kind, within=PATIENCE)])


def choices(registry: Registry[Any]) -> list[ChoiceShown]:
    """Return what is told of everything in a registry."""
    return [shown_choice(entry) for entry in registry]


def house(doors: Doors, meters: Meters) -> APIRouter:
    """Return the routes that tell how the house is."""
    router = APIRouter(tags=["house"])

    @router.get("/healthz", responses={507: {"model": Wrong, "description": "The queue cannot be read."}})
    def healthz() -> HealthShown:
        """Say whether the house lives and its queue can be read; asks for no secret."""
        try:
            doors.store.counts()
        except StorageError:
            raise StorageError("the queue cannot be read; the server's log says why.") from None
        return HealthShown()

    @router.get("/metrics", response_class=Response, responses={200: {"content": {meters.media_type: {}}}})
    def metrics() -> Response:
        """Tell queue depth, rows per forward, step times, memory and errors in Prometheus' format."""
        return Response(meters.text(), media_type=meters.media_type)

    return router
