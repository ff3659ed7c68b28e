"""What becomes of finished pictures, whatever recipe made them: details, enlarging, faces, background.

In the order of these words, but that enlarging stands behind the faces unless it is to come first. Pictures in,
pictures out; post/ and models/cutout/ know how.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

from PIL.Image import Image

from easel.core.finishing import Background
from easel.core.request import Request
from easel.core.work import Finish, Load, Wanted, Work
from easel.models.cutout import FLAT, cut_out, mask_of
from easel.models.family import Model
from easel.post.enlarging import enlarge
from easel.post.faces import restore
from easel.recipes.common import Settled
from easel.recipes.detailing import detailed


def goes_on(request: Request) -> bool:
    """Return whether anything becomes of a request's finished pictures."""
    return bool(request.details or request.enlarge or request.faces or request.background)


def afterwards(settled: Settled, model: Model, images: Sequence[Image]) -> Generator[Work, Any, list[Image]]:
    """Return the pictures of a settled request, in the order of its seeds, as they are when all is done to them."""
    worked = yield from detailed(settled, model, images)
    return (yield from finished(settled.request, worked))


def finished(request: Request, images: Sequence[Image]) -> Generator[Work, Any, list[Image]]:
    """Return pictures enlarged, with faces restored and before another background, as a request asks."""
    found, part = list(images), request.enlarge
    if part is not None and part.first:
        found = yield from enlarge(part, found)
    for faces in request.faces:
        found = yield from restore(faces, found, counted=True)
    if part is not None and not part.first:
        found = yield from enlarge(part, found)
    if request.background is not None:
        found = yield from cut(request.background, found)
    return found


def cut(background: Background, images: Sequence[Image]) -> Generator[Work, Any, list[Image]]:
    """Return pictures cut out of their background: transparent there, or before a colour or another picture."""
    readers: Any = None
    if background.model != FLAT:
        readers = yield Load(Wanted("background", background.model))
    options = {name: getattr(background, name) for name in ("tolerance", "holes", "feather")}
    found: list[Image] = []
    for image in images:
        mask: Image = yield Finish(partial(mask_of, image, background.model, readers=readers, **options))
        found.append((yield Finish(partial(cut_out, image, mask, background))))
    return found
