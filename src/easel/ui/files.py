"""Finished pictures for the page's lists: small copies, and several as one zip; each to its owner alone.

The pictures themselves come from where links.picture() says. Who asks, the gate in front of the app has found; how
errors are told, the app knows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from easel.core.caller import Caller
from easel.core.errors import BadValue
from easel.jobs.showing import Look
from easel.jobs.zipping import zipped
from easel.ui.house import House, caller_of
from easel.ui.thumbnails import small

SMALL, ZIP = "/files/small", "/files/zip"
FOREVER = "private, max-age=31536000, immutable"  # a finished picture never changes
AT_ONCE = 2  # pictures that are made smaller side by side; the rest of the machine draws
MOST = 5000  # pictures of one zip


def add(web: FastAPI, house: House) -> None:
    """Add the routes that give small copies, as WebP, and zips."""
    room = threading.BoundedSemaphore(AT_ONCE)

    @web.get(SMALL + "/{job}/{number}", include_in_schema=False)
    def small_copy(job: str, number: int, request: Request) -> Response:
        """Give a finished picture at the size of a list. Raises UnknownJob, StorageError."""
        kept = house.store.picture(job, number, caller_of(request).sees).kept
        path = house.file_of(kept)
        with room:
            data = small(path)
        return Response(data, media_type="image/webp", headers={"Cache-Control": FOREVER})

    @web.post(ZIP, include_in_schema=False)
    async def zip(request: Request) -> StreamingResponse:
        """Give the pictures that a form's fields "picture" name, JOB/NUMBER each. Raises BadValue, UnknownJob."""
        names = named_in(await request.body())
        looks = await run_in_threadpool(chosen, house, names, caller_of(request))
        headers = {"Content-Disposition": f'attachment; filename="easel-{len(looks)}.zip"'}
        return StreamingResponse(zipped(entries(house.album, looks)), media_type="application/zip", headers=headers)

    _ = small_copy, zip


def named_in(body: bytes) -> list[str]:
    """Return the pictures that a form names, each once. Raises BadValue for none, too many, or what is no form."""
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=MOST)
    except ValueError:
        raise BadValue("pictures", "no form", f"a form that names at most {MOST}") from None
    names = list(dict.fromkeys(fields.get("picture", ())))
    if not names:
        raise BadValue("pictures", "none", "at least one")
    return names


def chosen(house: House, names: Sequence[str], caller: Caller) -> list[Look]:
    """Return the pictures of these names, JOB/NUMBER. Raises BadValue, UnknownJob."""
    looks: list[Look] = []
    for name in names:
        job, _, number = name.rpartition("/")
        if not (job and number.isascii() and number.isdecimal() and len(number) < 7):
            raise BadValue("picture", name, "JOB/NUMBER")
        looks.append(house.store.picture(job, int(number), caller.sees))
    return looks


def entries(album: Path, looks: Sequence[Look]) -> Iterator[tuple[str, Path]]:
    """Yield the files of pictures with their names in a zip; what a link leads out of the album counts as gone."""
    home = album.resolve()
    for place, look in enumerate(looks):
        path = (album / look.kept.file).resolve()
        name = f"{look.day}/{place:05d}-{look.kept.seed}{path.suffix}"
        yield name, path if path.is_relative_to(home) else home / "outside" / path.name
