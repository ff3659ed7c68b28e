"""OpenAI's images API: generations, edits and variations, at once or as a stream of partial images.

The official client works with this server's address as its base_url. Models and pictures are the house's own. What is
asked stands in openai_wire.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from time import time
from typing import Any, cast

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.datastructures import FormData, UploadFile
from starlette.responses import JSONResponse, Response, StreamingResponse

from easel.api.calls import cancelled, error_of, heard, refuse_failed, submitted
from easel.api.doors import Doors, caller_of
from easel.api.errors import Refused, status_of
from easel.api.openai_wire import Asking, Edit, Generation, Variation, read, request_of
from easel.api.pictures import as_format, text_of
from easel.core.client import Previewed, Progressed
from easel.core.errors import BadValue, Cancelled, EaselError, RequestError, UnknownName, Unsupported
from easel.core.limits import MAX_FILE
from easel.jobs.feed import Ended
from easel.jobs.job import ErrorFacts, Job

PATH = "/v1/images/"
MOST_FIELDS = 100  # of a form
NO_TOKENS = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}


class Invalid(Refused):
    """What is wrong with a call: with the parameter and code that this API tells, and its status, 400."""

    def __init__(self, error: RequestError) -> None:
        self.param = (
            error.field if isinstance(error, BadValue) else error.kind if isinstance(error, UnknownName) else None
        )
        self.code = "model_not_found" if self.param == "model" and isinstance(error, UnknownName) else "invalid_value"
        super().__init__(404 if self.code == "model_not_found" else 400, error.message)


def routes(doors: Doors) -> APIRouter:
    """Return the routes of this dialect over one queue."""
    router = APIRouter(prefix="/v1/images", tags=["OpenAI images"])

    @router.post("/generations", openapi_extra=taking("application/json", Generation))
    async def generations(http: HttpRequest) -> Response:
        """Draw pictures from words."""
        return await answered(doors, http, "image_generation", Generation)

    @router.post("/edits", openapi_extra=taking("multipart/form-data", Edit, "image", "mask"))
    async def edits(http: HttpRequest) -> Response:
        """Draw a picture anew as words say: all of it, or where the mask is clear."""
        return await answered(doors, http, "image_edit", Edit)

    @router.post("/variations", openapi_extra=taking("multipart/form-data", Variation, "image"))
    async def variations(http: HttpRequest) -> Response:
        """Draw pictures like a picture."""
        return await answered(doors, http, "image_variation", Variation)

    _ = generations, edits, variations
    return router


def taking(media_type: str, kind: type[Asking], *files: str) -> dict[str, Any]:
    """Return what the OpenAPI document says of a body."""
    schema = kind.model_json_schema()
    schema["properties"] |= {name: {"type": "string", "format": "binary"} for name in files}
    schema["required"] = [*schema.get("required", []), *files[:1]]
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


async def answered(doors: Doors, http: HttpRequest, event: str, kind: type[Asking]) -> Response:
    """Return the answer to a call: its pictures when they are done, or a stream of events.

    Raises Invalid before anything is queued, and the error of a job that failed.
    """
    caller = caller_of(http)
    try:
        wire, files = await understood(http, kind)
        request = await asyncio.to_thread(request_of, wire, files.get("image"), files.get("mask"))
        await asyncio.to_thread(doors.library.where, request.model)
        ids = await submitted(doors, [request], caller)
    except RequestError as error:
        raise error if isinstance(error, Refused) else Invalid(error) from None
    if wire.stream:
        told = streamed(doors, ids, wire, event)
        return StreamingResponse(told, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
    job = await ending(doors, ids)
    body = await asyncio.to_thread(pictures_of, doors, job, wire, str(http.base_url))
    return JSONResponse(body)


async def understood(http: HttpRequest, kind: type[Asking]) -> tuple[Asking, dict[str, bytes]]:
    """Return the parameters of a call and its files, by name. Raises RequestError."""
    if kind is Generation:
        try:
            given = json.loads(await http.body())
        except (ValueError, RecursionError):
            raise BadValue("body", None, "JSON") from None
        if not isinstance(given, dict):
            raise BadValue("body", "another value", "an object")
        return read(kind, given), {}
    async with http.form(max_files=16, max_fields=MOST_FIELDS) as form:
        files = await files_in(form)
        fields: dict[str, Any] = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    if "easel" in fields:
        fields["easel"] = object_in(fields["easel"])
    if "image" not in files:
        raise BadValue("image", None, "a picture's file")
    wire = read(kind, fields)
    if "mask" in files and not isinstance(wire, Edit):
        raise Unsupported("mask cannot be honoured for variations; leave it out.")
    return wire, files


async def files_in(form: FormData) -> dict[str, bytes]:
    """Return the files of a form; `image[]` is how clients send several, of which one can be used."""
    found: dict[str, bytes] = {}
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile):
            continue
        name = name.removesuffix("[]")
        if name not in ("image", "mask"):
            raise Unsupported(f"{name} cannot be honoured; leave it out.")
        if name in found:
            raise Unsupported(f"several pictures as {name} cannot be honoured; give one.")
        found[name] = await value.read(MAX_FILE + 1)
        if not 1 <= len(found[name]) <= MAX_FILE:
            raise BadValue(name, f"{len(found[name])} bytes", f"1 byte to {MAX_FILE // 2**20} MiB")
    return found


def object_in(text: str) -> dict[str, Any]:
    """Return the object that a form's field holds as JSON. Raises BadValue."""
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadValue("easel", text, "an object of request fields as JSON")
    return cast("dict[str, Any]", found)


async def ending(doors: Doors, ids: list[str]) -> Job:
    """Return a call's job when it is done. Raises why it was not."""
    job: Job | None = None
    async with aclosing(heard(doors, ids)) as told:
        async for _, news in told:
            job = news.job if isinstance(news, Ended) else job
    if job is None or job.state == "cancelled":
        raise Cancelled("the job was cancelled.")
    refuse_failed([job])
    return job


def pictures_of(doors: Doors, job: Job, wire: Asking, base: str) -> dict[str, Any]:
    """Return the answer of a job that is done; reads its files. base: the address that the caller has used."""
    if wire.response_format == "url":
        data = [{"url": f"{base.rstrip('/')}/v1/jobs/{job.id}/pictures/{n}"} for n in range(len(job.pictures))]
    else:
        data = [{"b64_json": text_of(file)} for file in files_of(doors, job, wire)]
    return {
        "created": int(job.ended or job.created),
        "data": data,
        **facts(wire, job.pictures[0].width, job.pictures[0].height),
        "usage": NO_TOKENS,
    }


def files_of(doors: Doors, job: Job, wire: Asking) -> list[bytes]:
    """Return a job's pictures as files of the format that was asked for."""
    quality = max(1, wire.output_compression)
    return [
        as_format(doors.file_of(kept).read_bytes(), kept.infotext, wire.output_format, quality) for kept in job.pictures
    ]


def facts(wire: Asking, width: int, height: int) -> dict[str, Any]:
    """Return what is told of every picture."""
    found = {"background": "opaque", "output_format": wire.output_format, "quality": "medium"}
    found["size"] = f"{width}x{height}"
    return found | ({"safety_identifier": wire.safety_identifier} if wire.safety_identifier else {})


async def streamed(doors: Doors, ids: list[str], wire: Asking, event: str) -> AsyncGenerator[bytes]:
    """Yield the events of a call: partial images spread evenly over its steps, each picture at its end, or an error.

    A client that goes away takes its job with it.
    """
    sent, share, over = 0, 0.0, False
    try:
        async with aclosing(heard(doors, ids)) as told:
            async for _, news in told:
                match news:
                    case Progressed():
                        share = news.step / max(news.steps, 1)
                    case Previewed() if sent < wire.partial_images and share >= (sent + 1) / (wire.partial_images + 1):
                        file = await asyncio.to_thread(rough, news, wire)
                        now = partial(wire, event, sent, file, news)
                        sent += 1
                        yield now
                    case Ended(job=job):
                        over = True
                        for line in await asyncio.to_thread(finished, doors, job, wire, event):
                            yield line
                    case _:
                        pass
    except EaselError as error:
        over = True
        yield line_of("error", shape(error, status_of(error)))
    finally:
        if not over:
            await cancelled(doors, ids)


def rough(news: Previewed, wire: Asking) -> bytes:
    """Return a rough look as a file of the format that was asked for."""
    from easel.media.metadata import encode

    return encode(news.image, format=wire.output_format, quality=max(1, wire.output_compression))


def partial(wire: Asking, event: str, index: int, file: bytes, news: Previewed) -> bytes:
    """Return the event of a partial image."""
    told = {"b64_json": text_of(file), "partial_image_index": index, "created_at": int(time())}
    return line_of(f"{event}.partial_image", {**told, **facts(wire, news.image.width, news.image.height)})


def finished(doors: Doors, job: Job, wire: Asking, event: str) -> list[bytes]:
    """Return the events of a job that has ended. Raises why it was not done."""
    if job.state == "cancelled":
        raise Cancelled("the job was cancelled.")
    if job.state == "failed":
        raise error_of(job.error or ErrorFacts("Internal", f"job {job.id} failed."))
    told = {"created_at": int(job.ended or job.created), "usage": NO_TOKENS}
    return [
        line_of(f"{event}.completed", {"b64_json": text_of(file), **told, **facts(wire, kept.width, kept.height)})
        for file, kept in zip(files_of(doors, job, wire), job.pictures, strict=True)
    ]


def line_of(name: str, data: Mapping[str, Any]) -> bytes:
    """Return one server-sent event; its name stands in its data too."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


def shape(error: EaselError, status: int) -> dict[str, Any]:
    """Return an error as this API's clients look for it."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    if status in (401, 403):
        kind = "authentication_error" if status == 401 else "permission_error"
    param = error.param if isinstance(error, Invalid) else None
    code = error.code if isinstance(error, Invalid) else None
    return {"error": {"message": error.message, "type": kind, "param": param, "code": code}}
