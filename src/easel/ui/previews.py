"""The small picture beside a model's file, where A1111, Forge and Civitai's helpers put it; and its route.

Whoever may come in may see it, as they may see the models' names. Knows no widgets.
"""

from __future__ import annotations

import io
from pathlib import Path

from fastapi import FastAPI
from fastapi import Request as HttpRequest
from starlette.responses import Response

from easel.core.errors import BadValue, UnknownName
from easel.models.library.kinds import KINDS
from easel.models.library.names import Library
from easel.models.library.previews import LARGEST, preview_of

ROUTE = "/files/previews"
SIDE = 384  # pixels of the longer side, for a card on a screen of twice as many
QUALITY = 80


def add(web: FastAPI, library: Library) -> None:
    """Add the route that gives previews, small and as WebP."""

    @web.get(ROUTE + "/{kind}/{name:path}", include_in_schema=False)
    def preview(kind: str, name: str, http: HttpRequest) -> Response:
        """Give the preview of a file by its kind and name; 404 where it has none."""
        found = named(library, kind, name)
        picture = preview_of(found) if found else None
        if picture is None:
            return Response(status_code=404)
        facts = picture.stat()
        mark = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
        headers = {"ETag": mark, "Cache-Control": "private, max-age=600"}
        if http.headers.get("if-none-match") == mark:
            return Response(status_code=304, headers=headers)
        small = shrunk(picture) if facts.st_size <= LARGEST else None
        if small is None:
            return Response(status_code=404)
        return Response(small, media_type="image/webp", headers=headers)

    _ = preview


def named(library: Library, kind: str, name: str) -> Path | None:
    """Return where the file of exactly this name stands, None where there is none."""
    if kind not in KINDS:
        return None
    try:
        return library.places(kind).get(name)
    except UnknownName:
        return None


def shrunk(picture: Path) -> bytes | None:
    """Return a picture's file made small, as WebP; None for what is no whole picture."""
    from easel.media.reading import flat, open_image

    try:
        image = flat(open_image(picture.read_bytes(), "preview"))
    except (BadValue, OSError):
        return None
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "WEBP", quality=QUALITY)
    return file.getvalue()
