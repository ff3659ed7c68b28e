"""Pictures that are made larger, cut out or only looked at: extras, the background remover and png-info."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest

from easel.api.a1111 import extras
from easel.api.a1111.brought import brought
from easel.api.a1111.drawing import follow_to_end
from easel.api.a1111.house import House
from easel.api.a1111.infotexts import parameters_of
from easel.api.a1111.meant import named
from easel.api.a1111.options import USUAL
from easel.api.a1111.wire import ExtraImage, ExtraImages, Extras, PictureAlone, Rembg
from easel.api.calls import refuse_failed
from easel.api.doors import Caller, caller_of
from easel.api.pictures import as_format, file_in, text_of
from easel.core.errors import BadValue, Cancelled
from easel.core.request import Request
from easel.jobs.job import Job
from easel.media.metadata import read_picture_file

MOST_AT_ONCE = 100  # pictures of one call
KIND = "extras"  # what such calls are called among those under way


def add(router: APIRouter, house: House) -> None:
    """Add the routes that take finished pictures."""

    @router.post("/sdapi/v1/extra-single-image")
    async def single(wire: ExtraImage, http: HttpRequest) -> dict[str, Any]:
        """Make one picture larger, its faces better."""
        wire = await brought(wire, house.doors.addresses)
        (file,) = await processed(house, wire, {"image": wire.image}, caller_of(http))
        return {"image": text_of(file), "html_info": ""}

    @router.post("/sdapi/v1/extra-batch-images")
    async def batch(wire: ExtraImages, http: HttpRequest) -> dict[str, Any]:
        """Make several pictures larger, their faces better."""
        if not 1 <= len(wire.imageList) <= MOST_AT_ONCE:
            raise BadValue("imageList", f"{len(wire.imageList)} pictures", f"1 to {MOST_AT_ONCE}")
        wire = await brought(wire, house.doors.addresses)
        pictures = {f"imageList {place}": one.data for place, one in enumerate(wire.imageList)}
        found = await processed(house, wire, pictures, caller_of(http))
        return {"images": [text_of(file) for file in found], "html_info": ""}

    @router.post("/rembg")
    async def rembg(wire: Rembg, http: HttpRequest) -> dict[str, Any] | None:
        """Cut what a picture shows out of its background; nothing is answered where no model is named."""
        if wire.model.strip().casefold() in ("", extras.NONE):
            return None
        wire = await brought(wire, house.doors.addresses)
        request = extras.cut_out(wire, await asyncio.to_thread(seen, wire.input_image, "input_image"))
        (file,) = await made(house, [request], caller_of(http), "png")  # which holds transparency
        return {"image": text_of(file)}

    @router.post("/sdapi/v1/png-info")
    async def png_info(wire: PictureAlone) -> dict[str, Any]:
        """Tell what a picture's file says of its making."""
        wire = await brought(wire, house.doors.addresses)
        return await asyncio.to_thread(said, file_in(wire.image, "image"))

    _ = single, batch, rembg, png_info


async def processed(house: House, wire: Extras, pictures: Mapping[str, str], caller: Caller) -> list[bytes]:
    """Return the files of pictures, given in base64 by field, with what a call asks for done to each."""
    files = [await asyncio.to_thread(seen, text, field) for field, text in pictures.items()]
    requests = [request for file in files if (request := extras.request_of(wire, file))]
    return await made(house, requests, caller) if requests else files


async def made(house: House, requests: Sequence[Request], caller: Caller, format: str | None = None) -> list[bytes]:
    """Return the files of what requests of one picture each have made.

    They wait in the queue like any others. format: of the files, None for the one that the caller has set.
    Raises Cancelled where a request was, and the error of one that failed.
    """
    meant = [await asyncio.to_thread(named, request, house.doors.library) for request in requests]
    task = house.tasks.begin(caller.name, KIND, None)
    try:
        await follow_to_end(house, meant, caller, task)
    finally:
        house.tasks.end(task)
    jobs = [part.job for part in task.parts if part.job is not None]
    refuse_failed(jobs)
    return await asyncio.to_thread(files_of, house, jobs, caller, format)


def files_of(house: House, jobs: Sequence[Job], caller: Caller, format: str | None = None) -> list[bytes]:
    """Return the file of each job's picture. Raises Cancelled where a job was."""
    options = {**USUAL, **house.options(caller)}
    found: list[bytes] = []
    for job in jobs:
        if not job.pictures:
            raise Cancelled("interrupted before the picture was done.")
        kept = job.pictures[0]
        file, infotext = house.doors.file_of(kept).read_bytes(), kept.infotext if options["enable_pnginfo"] else ""
        found.append(as_format(file, infotext, format or options["samples_format"], options["jpeg_quality"]))
    return found


def seen(text: str, field: str) -> bytes:
    """Return the file of a picture in base64 when it can be opened. Raises BadValue naming `field`."""
    from easel.media.reading import open_image

    file = file_in(text, field)
    open_image(file, field)
    return file


def said(file: bytes) -> dict[str, Any]:
    """Return the infotext of a picture's file, its other texts, and the infotext's fields."""
    picture = read_picture_file(io.BytesIO(file))
    infotext = picture.infotext or ""
    return {
        "info": infotext,
        "items": {**({"parameters": infotext} if infotext else {}), **picture.texts},
        "parameters": parameters_of(infotext) if infotext else {},
    }
