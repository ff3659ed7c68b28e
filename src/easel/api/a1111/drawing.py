"""/txt2img and /img2img: a call becomes jobs, waits until they have ended, and is answered with their pictures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest

from easel.api.a1111 import hints
from easel.api.a1111.answers import Shown, answer, contact_sheet, sheets_of
from easel.api.a1111.brought import brought
from easel.api.a1111.chosen import Asked, asked, where_of
from easel.api.a1111.clips import Clip
from easel.api.a1111.house import House
from easel.api.a1111.infotexts import filled
from easel.api.a1111.listings import style_table
from easel.api.a1111.meant import named
from easel.api.a1111.tasks import Part, Task
from easel.api.a1111.wire import Drawing, ImageToImage, TextToImage
from easel.api.calls import heard, refuse_failed, submitted
from easel.api.doors import Caller, caller_of
from easel.api.pictures import as_format
from easel.core.request import Request
from easel.jobs.job import Job
from easel.media.metadata import format_named
from easel.prompt.wildcards import Wildcards


def add(router: APIRouter, house: House) -> None:
    """Add the routes that draw."""

    @router.post("/sdapi/v1/txt2img")
    async def txt2img(wire: TextToImage, http: HttpRequest) -> dict[str, Any]:
        """Draw from words."""
        return await drawn(house, wire, caller_of(http))

    @router.post("/sdapi/v1/img2img")
    async def img2img(wire: ImageToImage, http: HttpRequest) -> dict[str, Any]:
        """Draw from a picture and words, paint a part of it anew, or grow it."""
        return await drawn(house, wire, caller_of(http))

    _ = txt2img, img2img


async def drawn(house: House, wire: Drawing, caller: Caller) -> dict[str, Any]:
    """Return the answer to a call when all its jobs have ended; what was interrupted has no pictures in it.

    Raises RequestError before anything is queued, and the error of a job that failed.
    """
    wire = await brought(wire, house.doors.addresses)
    call = await asyncio.to_thread(understood, house, wire, caller)
    task = house.tasks.begin(caller.name, where_of(wire), wire.force_task_id)
    try:
        await follow_to_end(house, call.requests, caller, task)
    finally:
        house.tasks.end(task)
    jobs = [part.job for part in task.parts if part.job is not None]
    refuse_failed(jobs)
    maps = await hints_of(house, call, jobs)
    return await asyncio.to_thread(answered, house, call, jobs, task, maps)


async def hints_of(house: House, call: Asked, jobs: Sequence[Job]) -> list[bytes]:
    """Return the hints that the pictures of a call were led by, where it asks for them and has pictures to show."""
    request = call.requests[0]
    if not (call.hints and request.controls and call.wire.send_images and any(job.pictures for job in jobs)):
        return []
    async with house.looking:
        return await asyncio.to_thread(hints.shown, request, call.hints, house.doors.library)


def understood(house: House, wire: Drawing, caller: Caller) -> Asked:
    """Return what a call asks for, its names those of the library. Reads styles, wildcards and folders."""
    settings = house.doors.settings
    wire = filled(wire)
    found = asked(wire, house.options(caller), style_table(settings), Wildcards(settings.wildcards))
    return replace(found, requests=tuple(named(request, house.doors.library) for request in found.requests))


async def follow_to_end(house: House, requests: Sequence[Request], caller: Caller, task: Task) -> None:
    """Queue a call's requests and tell its task all news of them until they have ended."""
    ids = await submitted(house.doors, requests, caller)
    task.parts = [Part(id) for id in ids]
    async with aclosing(heard(house.doors, ids)) as told:
        async for place, news in told:
            task.hear(place, news)


def answered(house: House, call: Asked, jobs: Sequence[Job], task: Task, maps: Sequence[bytes]) -> dict[str, Any]:
    """Return the answer of a call's jobs; reads their pictures' files, and saves them where that was asked for.

    maps: hints that are shown after the pictures.
    """
    clip = call.clip
    frames_too = clip is None or clip.shown or (clip.saved and call.wire.save_images)
    parts = [(films_of(house, clip, job), pictures_of(house, call, job) if frames_too else []) for job in jobs]
    made = [one for films, pictures in parts for one in (*films, *pictures)]
    shown = made if clip is None or clip.shown else [film for films, _ in parts for film in films]
    sheets: list[bytes] = []
    format, quality = call.options["samples_format"], call.options["jpeg_quality"]
    if call.sheet is not None and len(shown) == len(call.requests):
        sheets = sheets_of(call.sheet, shown, format, quality)
    elif wants_sheet(call, len(shown)):
        sheets = [contact_sheet(shown, format, quality)]
    if call.wire.save_images:
        save(house, call, task.kind, made, sheets)
    return answer(call, shown, sheets, maps, created=task.created)


def pictures_of(house: House, call: Asked, job: Job) -> list[Shown]:
    """Return a job's pictures in the format that the caller has set. Raises StorageError for one that is gone."""
    options = call.options
    return [
        Shown(
            as_format(
                house.doors.file_of(kept).read_bytes(),
                kept.infotext if options["enable_pnginfo"] else "",
                options["samples_format"],
                options["jpeg_quality"],
            ),
            kept.seed,
            kept.infotext,
            job.request,
            place,
            format_named(options["samples_format"]).ending,
        )
        for place, kept in enumerate(job.pictures)
    ]


def films_of(house: House, clip: Clip | None, job: Job) -> list[Shown]:
    """Return the films of a job whose pictures are the frames of a clip, none of another's. Raises StorageError."""
    from easel.jobs.films import film_at

    if clip is None or not job.pictures:
        return []
    first, album = job.pictures[0], house.doors.album
    paths = {film: film_at(album, job.stem, clip.motion.changed(format=film), job.pictures) for film in clip.films}
    return [Shown(path.read_bytes(), first.seed, first.infotext, job.request, 0, film) for film, path in paths.items()]


def wants_sheet(call: Asked, pictures: int) -> bool:
    """Return whether a contact sheet goes before the pictures: only where they are saved, as in A1111."""
    wire = call.wire
    wanted = wire.save_images and not wire.do_not_save_grid and call.options["return_grid"]
    return wanted and call.sheet is None and call.clip is None and pictures > 1


def save(house: House, call: Asked, kind: str, shown: Sequence[Shown], sheets: Sequence[bytes]) -> None:
    """Save pictures in the outputs folder, where A1111 would. Raises StorageError."""
    from easel.media.images import day_folder, save_numbered

    outputs, ending = house.doors.settings.outputs, format_named(call.options["samples_format"]).ending
    if not call.wire.do_not_save_samples:
        for one in shown:
            save_numbered(one.file, day_folder(outputs, f"{kind}-images"), one.seed, one.ending)
    if not call.wire.do_not_save_grid:
        for sheet in sheets:
            save_numbered(sheet, day_folder(outputs, f"{kind}-grids"), shown[0].seed, ending)
