"""A picture of a file with regions of it painted anew; nothing else of it is sampled."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from PIL.Image import Image

from easel.core.errors import BadValue
from easel.core.pictures import Start
from easel.core.request import Request
from easel.core.result import Picture
from easel.core.work import Work
from easel.models.family import Model
from easel.recipes.common import recipes, settle
from easel.recipes.finishing import described
from easel.recipes.starts import opened, start_of


def check_detail(request: Request) -> None:
    """Raise BadValue for a request without details, or whose start asks for more than its picture."""
    check_start_plain(request)
    if not request.details:
        raise BadValue("details", "none", "at least one, for the recipe detail")
    opened(request)


def check_start_plain(request: Request) -> None:
    """Raise BadValue naming the field of a start that says more than its picture, where nothing would heed it."""
    usual, given = Start(image=b"-"), start_of(request)
    for name in Start.model_fields:
        if name != "image" and getattr(given, name) != getattr(usual, name):
            allowed = f"left out for the recipe {request.recipe}, which takes the picture as it is"
            raise BadValue(f"start.{name}", getattr(given, name), allowed)


@recipes.register("detail", aliases=("adetailer",), needs=("start",), takes=(), check=check_detail)
def detail(request: Request, model: Model) -> Generator[Work, Any, tuple[Picture, ...]]:
    """Take the picture as it is, once for each of the batch, and do to it what becomes of finished pictures.

    A request's size, and that in the infotext, is that of the work on its regions.
    """
    image: Image = opened(request)
    settled = settle(request, model)
    return (yield from described(settled, model, lambda: [image] * request.batch_size))
