"""What becomes of finished pictures, as far as it can be told without a model: what it loads, what is refused.

Knows names and pictures' files; does nothing to pictures.
"""

from __future__ import annotations

from easel.core.request import Request
from easel.core.work import Wanted
from easel.media.reading import open_image
from easel.models.cutout import FLAT
from easel.post.enlarging import check_enlarge
from easel.post.faces import wanted_for as faces_want
from easel.post.upscalers import wanted_upscaler
from easel.recipes.regional import check_details
from easel.recipes.regional import wanted_for as detail_wants


def check_afterwards(request: Request) -> None:
    """Raise RequestError for details and finishing that cannot be: names, pictures' files, what does not go."""
    check_details(request)
    if request.enlarge is not None:
        check_enlarge(request.enlarge)
    if request.background is not None and request.background.image is not None:
        open_image(request.background.image, "background.image")


def afterwards_want(request: Request) -> list[Wanted]:
    """Return what finished pictures want from files: detectors, upscalers, restorers of faces, background removers."""
    wanted = [one for detail in request.details for one in detail_wants(detail)]
    part = request.enlarge
    names = [part.upscaler, *([part.second] if part.second else [])] if part else []
    wanted += [one for name in names if (one := wanted_upscaler(name))]
    wanted += [one for part in request.faces for one in faces_want(part)]
    if request.background is not None and request.background.model != FLAT:
        wanted.append(Wanted("background", request.background.model))
    return list(dict.fromkeys(wanted))
