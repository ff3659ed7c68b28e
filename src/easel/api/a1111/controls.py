"""What tells of calls under way and stops them, and what a caller sets for later ones; always the caller's own."""

from __future__ import annotations

import asyncio
import json
import platform
import time
from typing import Annotated, Any

import psutil
from fastapi import APIRouter, Body, Response
from fastapi import Request as HttpRequest

from easel.api.a1111.house import House
from easel.api.a1111.listings import option_list
from easel.api.a1111.options import USUAL
from easel.api.a1111.tasks import Task, internal_progress_of, progress_of
from easel.api.a1111.wire import TaskAsked
from easel.api.calls import cancelled
from easel.api.doors import caller_of
from easel.core.version import version


def add(router: APIRouter, house: House) -> None:
    """Add the routes of progress, interruption and settings."""
    started = time.time() - psutil.Process().create_time()

    @router.get("/sdapi/v1/progress")
    async def progress(http: HttpRequest, skip_current_image: bool = False) -> dict[str, Any]:
        """Tell how far the caller's oldest call under way is."""
        task = house.tasks.current(caller_of(http).name)
        return await asyncio.to_thread(progress_of, task, picture=not skip_current_image)

    @router.post("/internal/progress")
    async def internal_progress(wire: TaskAsked, http: HttpRequest) -> dict[str, Any]:
        """Tell how far one call is, by its `force_task_id`."""
        task = house.tasks.named(caller_of(http).name, wire.id_task)
        return await asyncio.to_thread(internal_progress_of, task, wire.id_live_preview, picture=wire.live_preview)

    @router.get("/internal/pending-tasks")
    async def pending_tasks(http: HttpRequest) -> dict[str, Any]:
        """Tell which of the caller's calls have not begun."""
        waiting = [task.id for task in house.tasks.open(caller_of(http).name) if not task.began]
        return {"size": len(waiting), "tasks": waiting}

    @router.post("/sdapi/v1/interrupt")
    async def interrupt(http: HttpRequest) -> dict[str, Any]:
        """Stop the caller's oldest call; it is answered with the pictures that are done."""
        task = house.tasks.current(caller_of(http).name)
        if task is not None:
            task.interrupted = True
            await stop(task, len(task.parts))
        return {}

    @router.post("/sdapi/v1/skip")
    async def skip(http: HttpRequest) -> None:
        """Stop the batch that the caller's oldest call is at; its others go on."""
        task = house.tasks.current(caller_of(http).name)
        if task is not None:
            task.skipped = True
            await stop(task, 1)

    @router.get("/sdapi/v1/options")
    async def options(http: HttpRequest) -> dict[str, Any]:
        """Tell the caller's settings."""
        caller = caller_of(http)
        return await asyncio.to_thread(lambda: option_list(house.doors.library, house.options(caller)))

    @router.post("/sdapi/v1/options")
    async def set_options(given: Annotated[dict[str, Any], Body()], http: HttpRequest) -> None:
        """Keep settings for the caller's later calls."""
        await house.set_options(caller_of(http), given)

    @router.get("/sdapi/v1/cmd-flags")
    async def flags() -> dict[str, Any]:
        """Tell what the server was started with, as far as A1111 has a name for it."""
        settings = house.doors.settings
        return {"api": True, "nowebui": False, "ckpt_dir": str(settings.models), "styles_file": [str(settings.styles)]}

    @router.get("/internal/ping")
    async def ping() -> dict[str, Any]:
        """Say that the server is there."""
        return {}

    @router.get("/internal/sysinfo")
    async def sysinfo() -> dict[str, Any]:
        """Tell which program and which machine this is."""
        return system()

    @router.get("/internal/sysinfo-download")
    async def sysinfo_download() -> Response:
        """Give the same as a file."""
        name = time.strftime("sysinfo-%Y-%m-%d-%H-%M.json")
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(json.dumps(system(), indent=4), media_type="text/plain", headers=headers)

    @router.get("/internal/profile-startup")
    async def profile_startup() -> dict[str, Any]:
        """Tell how long the process took until its routes stood, in seconds; models are loaded when they are asked."""
        return {"total": started, "records": {"easel": started}}

    @router.get("/internal/quicksettings-hint")
    async def quicksettings() -> list[dict[str, str]]:
        """Tell which settings there are."""
        return [{"name": name, "label": name.replace("_", " ")} for name in USUAL]

    async def stop(task: Task, most: int) -> None:
        """Cancel jobs of a call, those that run first."""
        running = task.running
        waiting = [part for part in task.open if part not in running]
        await cancelled(house.doors, [part.id for part in (*running, *waiting)[:most]])

    _ = progress, internal_progress, pending_tasks, interrupt, skip, options, set_options
    _ = flags, ping, sysinfo, sysinfo_download, profile_startup, quicksettings


def system() -> dict[str, str]:
    """Return which program and which machine this is."""
    return {"Platform": platform.platform(), "Python": platform.python_version(), "Version": f"Easel {version()}"}
