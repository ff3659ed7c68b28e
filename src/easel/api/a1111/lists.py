"""What there is to choose from, and what this dialect has that Easel has not: one line a route."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

from easel.api.a1111 import listings
from easel.api.a1111.house import House
from easel.core.errors import Unsupported

NONE = ("hypernetworks", "extensions")  # there are none, and their lists say so
ABSENT = {
    "interrogate": "pictures are not described here; give the words",
    "create/embedding": "nothing is trained here; use `easel train`",
    "create/hypernetwork": "nothing is trained here; use `easel train`",
    "train/embedding": "nothing is trained here; use `easel train`",
    "train/hypernetwork": "nothing is trained here; use `easel train`",
    "unload-checkpoint": "models are everybody's; they leave memory when others need it",
    "reload-checkpoint": "models are everybody's; they are loaded when one is asked for",
    "server-kill": "the server is everybody's; where it runs, Ctrl-C or SIGTERM ends `easel serve`",
    "server-stop": "the server is everybody's; where it runs, Ctrl-C or SIGTERM ends `easel serve`",
    "server-restart": "the server is everybody's; where it runs, end `easel serve` with Ctrl-C and start it again",
}


def add(router: APIRouter, house: House) -> None:
    """Add the routes that list, refresh and refuse."""
    library, settings = house.doors.library, house.doors.settings
    tables: dict[str, Callable[[], Any]] = {
        "samplers": listings.sampler_list,
        "schedulers": listings.schedule_list,
        "upscalers": lambda: listings.upscaler_list(library),
        "realesrgan-models": lambda: listings.realesrgan_list(library),
        "face-restorers": lambda: listings.restorer_list(library),
        "latent-upscale-modes": listings.latent_modes,
        "sd-models": lambda: listings.model_list(library),
        "sd-vae": lambda: listings.file_list(library, "vae"),
        "sd-modules": lambda: [one for kind in listings.MODULES for one in listings.file_list(library, kind)],
        "loras": lambda: listings.network_list(library),
        "embeddings": lambda: listings.embedding_list(library),
        "prompt-styles": lambda: listings.style_list(settings),
        "scripts": listings.script_names,
        "script-info": listings.script_facts,
        "memory": listings.memory_facts,
        **dict.fromkeys(NONE, list[Any]),
    }
    for name, table in tables.items():
        router.add_api_route(f"/sdapi/v1/{name}", told(name, table), methods=["GET"], name=name)
    for name in ("refresh-checkpoints", "refresh-vae", "refresh-loras", "refresh-embeddings"):
        router.add_api_route(f"/sdapi/v1/{name}", done(name, library.refresh), methods=["POST"], name=name)
    for name, why in ABSENT.items():
        router.add_api_route(f"/sdapi/v1/{name}", refused(name, why), methods=["POST"], name=name)


def told(name: str, table: Callable[[], Any]) -> Callable[[], Any]:
    """Return the route that tells a table; reading folders and files holds nobody else up."""

    async def tell() -> Any:
        return await asyncio.to_thread(table)

    tell.__doc__ = f"List {name.replace('-', ' ')}."
    return tell


def done(name: str, work: Callable[[], None]) -> Callable[[], Any]:
    """Return the route that does something and answers null."""

    async def do() -> None:
        await asyncio.to_thread(work)

    do.__doc__ = f"{name.replace('-', ' ').capitalize()}: look at every folder now."
    return do


def refused(name: str, why: str) -> Callable[[], Any]:
    """Return the route that refuses what Easel has not."""

    async def refuse() -> None:
        raise Unsupported(f"{name} cannot be honoured: {why}.")

    refuse.__doc__ = f"Refused: {why}."
    return refuse
