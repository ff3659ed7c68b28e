"""A finished picture made larger, with better faces or before another background; without a model and without words."""

from __future__ import annotations

import io
from collections.abc import Generator
from typing import Any

from easel.core.errors import BadValue, Unsupported
from easel.core.request import Request
from easel.core.result import Picture
from easel.core.version import version
from easel.core.work import Work
from easel.media.metadata import read_picture_file
from easel.models.family import Model
from easel.post.enlarging import check_enlarge
from easel.prompt import infotext
from easel.prompt.infotext import Infotext
from easel.recipes.afterwards import finished
from easel.recipes.common import recipes
from easel.recipes.detail import check_start_plain
from easel.recipes.done import done_fields
from easel.recipes.starts import opened, start_of

PARTS = ("enlarge", "faces", "background")
HEEDED = {"recipe", "start", *PARTS}
INDIFFERENT = {"model", "seed", "alone", "preview_every", "noise"}  # what doors always say, and pictures do not show


def check_process(request: Request) -> None:
    """Raise Unsupported or BadValue for whatever nothing would be done with, and for a size beyond what is allowed."""
    check_start_plain(request)
    usual = Request()
    for name in Request.model_fields:
        if name not in HEEDED | INDIFFERENT and getattr(request, name) != getattr(usual, name):
            raise Unsupported(f"the recipe process has no use for {name}: it draws nothing; leave it out.")
    if not any(getattr(request, name) for name in PARTS):
        raise BadValue("enlarge", None, "given, or faces or background, for the recipe process")
    image = opened(request)
    if request.enlarge is not None:
        check_enlarge(request.enlarge, image.size)


@recipes.register("process", aliases=("extras",), needs=("start",), takes=(), check=check_process, model=False)
def process(request: Request, model: Model) -> Generator[Work, Any, tuple[Picture, ...]]:
    """Do to the picture of a file what becomes of finished pictures, and add that to its infotext."""
    image = opened(request)
    (better,) = yield from finished(request, [image])
    said = said_in(start_of(request).image)
    fields = {**said.fields, **done_fields(request), "Version": f"Easel {version()}"}
    return (Picture(better, request.seeds[0], infotext.write(said.prompt, said.negative, fields)),)


def said_in(file: bytes) -> Infotext:
    """Return what a picture's file tells of itself; nothing where it tells none or cannot."""
    try:
        told = read_picture_file(io.BytesIO(file)).infotext
    except BadValue:  # a kind of picture that carries no infotext
        told = None
    return infotext.read(told) if told else Infotext("")
