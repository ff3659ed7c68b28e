"""A day's pictures together: which days there are, and each as one zip that is made while it is sent.

Everybody has their own, an admin everybody's. Days come from the queue and never from the names of folders, so a path
that was not given to a picture cannot be asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi import Path as InPath
from fastapi.responses import StreamingResponse

from easel.api.doors import Caller, Doors, caller_of
from easel.api.errors import Refused
from easel.api.shown import Shown, Wrong
from easel.core.errors import BadValue
from easel.jobs.history import Shot
from easel.jobs.zipping import safe_part, zipped

ENDING = ".zip"
MEDIA_TYPE = "application/zip"

Me = Annotated[Caller, Depends(caller_of)]


class DayShown(Shown):
    """A day with pictures. url: where they are fetched as one zip, below the server's address."""

    date: str
    pictures: int
    bytes: int
    url: str


class DaysShown(Shown):
    """The days with pictures, the latest first."""

    days: list[DayShown]


def routes(doors: Doors) -> APIRouter:
    """Return the routes of /v1/outputs."""
    router = APIRouter(prefix="/outputs", tags=["outputs"])

    @router.get("")
    def days(me: Me) -> DaysShown:
        """List the days on which your pictures were asked for, with how many there are; an admin's list has all."""
        found = doors.store.days(me.sees)
        return DaysShown(
            days=[
                DayShown(date=one.day, pictures=one.pictures, bytes=one.bytes, url=f"/v1/outputs/{one.day}{ENDING}")
                for one in found
            ]
        )

    @router.get(
        "/{file}",
        response_class=StreamingResponse,
        responses={
            200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
            404: {"model": Wrong, "description": "No picture of yours is of that day."},
        },
    )
    def day(
        file: Annotated[str, InPath(min_length=1, max_length=100, description="The day: 2026-11-21.zip.")], me: Me
    ) -> StreamingResponse:
        """Give a day's pictures as one zip; what is no longer there is named in its missing.txt."""
        wanted = day_of(file)
        shots = doors.store.shots(wanted, me.sees)
        if not shots:
            raise Refused(404, f"no picture is of {wanted}; /v1/outputs lists the days there are.")
        return StreamingResponse(
            zipped(named(shots, wanted, doors.album, apart=me.admin)),
            media_type=MEDIA_TYPE,
            headers={"Content-Disposition": f'attachment; filename="easel-{wanted}{ENDING}"'},
        )

    return router


def day_of(file: str) -> str:
    """Return the day that a zip's name says. Raises BadValue for what is none."""
    try:
        found = date.fromisoformat(file.removesuffix(ENDING))
    except ValueError:
        found = None
    if found is None or file != f"{found.isoformat()}{ENDING}":
        raise BadValue("file", file, "a day as YYYY-MM-DD.zip")
    return found.isoformat()


def named(shots: Iterable[Shot], day: str, album: Path, *, apart: bool) -> Iterator[tuple[str, Path]]:
    """Yield the files of pictures with their names in a zip: DAY/00000-SEED.png.

    apart: with a folder for each user who has a name, in between. What a link leads out of the album counts as gone.
    """
    home = album.resolve()
    for number, shot in enumerate(shots):
        path = (album / shot.file).resolve()
        folder = f"{day}/{safe_part(shot.user)}" if apart and shot.user else day
        name = f"{folder}/{number:05d}-{shot.seed}{path.suffix}"
        yield name, path if path.is_relative_to(home) else home / "outside" / path.name
