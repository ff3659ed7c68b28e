"""The routes of /v1/jobs: submit, find, follow, cancel, retry, move, and the pictures that came of them."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, Path, Query
from fastapi import Request as HttpRequest
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import ValidationError
from starlette.responses import Response

from easel.api.doors import Caller, Doors, caller_of
from easel.api.errors import Refused
from easel.api.events import Previews, stream
from easel.api.shown import JobShown, JobsShown, Wrong, shown_job
from easel.core.errors import BadValue, shown
from easel.core.request import Request
from easel.jobs.feed import Ended, News
from easel.jobs.films import film_at
from easel.jobs.following import follow
from easel.jobs.history import DAY, MOST_LISTED
from easel.jobs.job import Job, State
from easel.jobs.store import PRIORITIES

LONGEST_WAIT = 60.0  # seconds that an answer may be waited for; proxies give up after a minute
FOREVER = "private, max-age=31536000, immutable"  # a finished picture never changes

DAY_ALONE = f"^{DAY.pattern}$"

Responses = dict[int | str, dict[str, Any]]
Me = Annotated[Caller, Depends(caller_of)]
Id = Annotated[str, Path(min_length=1, max_length=100, description="The job's id.")]
UNKNOWN: Responses = {404: {"model": Wrong, "description": "No job has this id, or it is another user's."}}
ASKED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Request"}}},
    }
}


def routes(doors: Doors) -> APIRouter:
    """Return the routes of jobs."""
    router = APIRouter(tags=["jobs"])
    router.include_router(asking(doors))
    router.include_router(following(doors))
    return router


def asking(doors: Doors) -> APIRouter:
    """Return the routes that change the queue."""
    router = APIRouter(prefix="/jobs")

    @router.post("", status_code=202, openapi_extra=ASKED, responses=refusals(400, 413, 415, 503))
    async def submit(
        http: HttpRequest,
        answer: Response,
        me: Me,
        priority: Annotated[
            int,
            Query(ge=PRIORITIES[0], le=PRIORITIES[-1], description="Larger goes first; above 0 is for admins."),
        ] = 0,
        id: Annotated[
            str | None, Query(min_length=1, max_length=100, description="An id of your own, which no job has yet.")
        ] = None,
        repeat: Annotated[
            Literal["draw", "kept"],
            Query(description="kept: with the pictures that you have of the very same request, if they still hold."),
        ] = "draw",
    ) -> JobShown:
        """Keep a request in the queue. When the answer comes, it is on the disk."""
        job = await doors.submit(await asked(http), me, priority, id, repeat=repeat == "kept")
        answer.headers["Location"] = f"/v1/jobs/{job.id}"
        return shown_job(job)

    @router.post("/{id}/cancel", responses=UNKNOWN)
    def cancel(id: Id, me: Me) -> JobShown:
        """End a job that waits or runs; one that has ended stays as it is."""
        return shown_job(doors.store.cancel(id, me.sees))

    @router.post("/{id}/retry", responses=UNKNOWN | refusals(503))
    def retry(id: Id, me: Me) -> JobShown:
        """Queue a failed or cancelled job again."""
        return shown_job(doors.store.retry(id, me.sees))

    @router.post("/{id}/pictures/{number}/favourite", responses=UNKNOWN)
    def favourite(
        id: Id,
        number: Annotated[int, Path(ge=0, le=10**6)],
        me: Me,
        on: Annotated[bool, Query(description="false takes it back.")] = True,
    ) -> JobShown:
        """Say that a picture is a favourite: it and its job are kept however old they are."""
        return shown_job(doors.store.favourite(id, number, on, me.sees))

    @router.post("/{id}/move", responses=UNKNOWN)
    def move(id: Id, me: Me, place: Annotated[int, Query(ge=0, le=10**9, description="0 is the first.")]) -> JobShown:
        """Give a waiting job another place among its user's own of its priority."""
        return shown_job(doors.store.move(id, place, me.sees))

    return router


def following(doors: Doors) -> APIRouter:
    """Return the routes that tell of jobs."""
    router = APIRouter(prefix="/jobs")
    previews = Previews()

    @router.get("", responses=UNKNOWN)
    def list_jobs(
        me: Me,
        state: Annotated[list[State] | None, Query(description="Only these; may be given several times.")] = None,
        search: Annotated[str, Query(max_length=1000, description="Words in prompt, model or id; all must be.")] = "",
        before: Annotated[str | None, Query(max_length=100, description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 50,
        favourites: Annotated[bool, Query(description="Only jobs with a picture that is a favourite.")] = False,
        day: Annotated[str | None, Query(pattern=DAY_ALONE, description="Only jobs of that day, YYYY-MM-DD.")] = None,
    ) -> JobsShown:
        """List your jobs, the latest first; an admin's list has everybody's."""
        found = doors.store.list(me.sees, state or (), search, before, limit, favourites=favourites, day=day)
        return JobsShown(jobs=[shown_job(job) for job in found], next=found[-1].id if len(found) == limit else None)

    @router.get("/{id}", responses=UNKNOWN)
    async def get(
        id: Id,
        me: Me,
        wait: Annotated[
            float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for its end; then as it stands.")
        ] = 0.0,
    ) -> JobShown:
        """Tell where a job stands."""
        return shown_job(await ended_or_not(doors, id, me, wait))

    @router.get(
        "/{id}/events",
        response_class=StreamingResponse,
        responses=UNKNOWN | giving("text/event-stream"),
    )
    async def events(id: Id, me: Me) -> StreamingResponse:
        """Follow a job as server-sent events: queued, began, progress, preview, and ended with the job, the last."""
        news = follow(doors.store, doors.feed, id, me.sees)
        first = await anext(news)
        return StreamingResponse(
            stream(first, news, doors.closing, previews),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    @router.get(
        "/{id}/pictures/{number}",
        response_class=FileResponse,
        responses=UNKNOWN | giving("image/png"),
    )
    def picture(id: Id, number: Annotated[int, Path(ge=0, le=10**6)], me: Me) -> FileResponse:
        """Give the file of a finished picture, its settings inside."""
        job = doors.store.get(id, me.sees)
        if number >= len(job.pictures):
            raise Refused(
                404, f"job {shown(id)} is {job.state} and has {len(job.pictures)} pictures, not number {number}."
            )
        path = doors.file_of(job.pictures[number])
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return FileResponse(path, media_type=kind, headers={"Cache-Control": FOREVER})

    @router.get(
        "/{id}/film",
        response_class=FileResponse,
        responses=UNKNOWN | giving("image/webp"),
    )
    def film(id: Id, me: Me) -> FileResponse:
        """Give the film of a finished clip, as its request's motion asks for it."""
        job = doors.store.get(id, me.sees)
        motion = job.request.motion
        if motion is None or not job.pictures:
            raise Refused(
                404, f"job {shown(id)} is {job.state} and has no film; its request makes no clip, or not yet."
            )
        path = film_at(doors.album, job.stem, motion, job.pictures)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return FileResponse(path, media_type=kind, headers={"Cache-Control": FOREVER})

    return router


async def asked(http: HttpRequest) -> Request:
    """Return the request in a body. Raises RequestError."""
    kind = http.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind != "application/json":
        raise Refused(415, f"content-type is {shown(kind)}, allowed is application/json; `curl --json` sends it.")
    body = await http.body()
    try:
        return Request.model_validate_json(body)
    except ValidationError as error:  # the body is not JSON at all; all else is told in Easel's own words
        told = error.errors()[0].get("ctx", {}).get("error", "it cannot be read")
        start = body[:40].decode(errors="replace")
        raise BadValue("body", start, "a request as JSON", remedy=str(told)) from None


async def ended_or_not(doors: Doors, id: str, me: Caller, seconds: float) -> Job:
    """Return a job when it has ended, or as it stands after some seconds or when the server ends. Raises UnknownJob."""
    if seconds:
        over = asyncio.get_running_loop().create_task(its_end(doors, id, me))
        loop = over.get_loop()
        try:
            with doors.closing.heard(lambda: cast("None", loop.call_soon_threadsafe(over.cancel))):
                job = await asyncio.wait_for(over, seconds)
        except TimeoutError:
            job = None
        except asyncio.CancelledError:
            if not doors.closing.asked:
                raise
            job = None
        if job is not None:
            return job
    return await asyncio.to_thread(doors.store.get, id, me.sees)


async def its_end(doors: Doors, id: str, me: Caller) -> Job | None:
    """Return a job when it has ended. Raises UnknownJob."""
    news = cast("AsyncGenerator[News]", follow(doors.store, doors.feed, id, me.sees))
    async with aclosing(news):
        async for one in news:
            if isinstance(one, Ended):
                return one.job
    return None


def refusals(*statuses: int) -> Responses:
    """Return the answers that a route may give besides, for the document."""
    said = {
        400: "The body is cut short.",
        413: "The body is too large.",
        415: "The body is not JSON.",
        503: "The queue is full.",
    }
    return {status: {"model": Wrong, "description": said[status]} for status in statuses}


def giving(media_type: str) -> Responses:
    """Return the answer of a route that gives no JSON, for the document."""
    return {200: {"content": {media_type: {}}}}
