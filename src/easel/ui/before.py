"""What a picture was made from, laid out as large as what came of it, to be seen one over the other.

Given to its owner alone. Knows requests and pictures; who asks, the gate in front of the app has found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from starlette.responses import Response

from easel.core.errors import BadValue
from easel.core.request import Request as Asked
from easel.ui.house import House, caller_of

if TYPE_CHECKING:
    from PIL.Image import Image

ROUTE = "/files/before"
FOREVER = "private, max-age=31536000, immutable"  # neither a finished picture nor its beginning ever changes


def add(web: FastAPI, house: House) -> None:
    """Add the route that gives beginnings, as PNG."""

    @web.get(ROUTE + "/{job}/{number}", include_in_schema=False)
    def before(job: str, number: int, request: Request) -> Response:
        """Give what a finished picture was made from. Raises UnknownJob, BadValue."""
        from easel.media.reading import png_bytes

        found = house.store.get(job, caller_of(request).sees)
        if not 0 <= number < len(found.pictures):
            raise BadValue("picture", number, f"one of the {len(found.pictures)} that the job has")
        kept = found.pictures[number]
        made = laid_out(found.request, (kept.width, kept.height))
        return Response(png_bytes(made), media_type="image/png", headers={"Cache-Control": FOREVER})

    _ = before


def laid_out(request: Asked, size: tuple[int, int]) -> Image:
    """Return a request's start picture at `size`, where it came to lie in the result; clear where it grew.

    Raises BadValue for a request that began with words alone.
    """
    from PIL import Image

    from easel.media.reading import flat, open_image
    from easel.media.resize import resized

    if request.start is None:
        raise BadValue("start", None, "a picture that something was made from")
    image = flat(open_image(request.start.image, "start.image"))
    grow = request.outpaint
    if grow is None:
        return resized(image, size, request.start.resize)
    inner = size[0] - grow.left - grow.right, size[1] - grow.top - grow.bottom
    sheet = Image.new("RGBA", size)
    sheet.paste(resized(image, inner, request.start.resize), (grow.left, grow.top))
    return sheet
