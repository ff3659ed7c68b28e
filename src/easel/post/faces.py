"""Faces restored: found, cut out upright, given to a restorer, and laid back where they were.

A generator of work: files come by `Load`, and each face is a `Finish` of its own. Pictures in, pictures out; knows no
request but core's Faces.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

from PIL.Image import Image

from easel.core.finishing import Faces
from easel.core.work import Finish, Load, Progress, Wanted, Work
from easel.post.alignment import cut_out, laid_back
from easel.post.finding import Finder, faces_in
from easel.post.found import Found
from easel.post.restorers import Restorer


def wanted_for(part: Faces) -> tuple[Wanted, ...]:
    """Return what restoring faces loads: the restorer and a detector; nothing where none of it would be seen."""
    return (Wanted("restorer", part.restorer), Wanted("faces", "")) if part.visibility > 0 else ()


def restore(part: Faces, images: Sequence[Image], *, counted: bool = False) -> Generator[Work, Any, list[Image]]:
    """Return pictures, RGB or RGBA, with their faces restored; all round them stays as it is, bit for bit.

    counted: whether the run's progress counts the faces of all pictures; not within recipes that count steps.
    Raises RequestError, ModelError or ResourceError.
    """
    wanted = wanted_for(part)
    if not wanted:
        return list(images)
    restorer: Restorer = yield Load(wanted[0])
    finder: Finder = yield Load(wanted[1])
    each: list[list[Found]] = []
    for image in images:
        each.append((yield Finish(partial(faces_in, image, finder))))
    steps = sum(map(len, each))
    count = (Progress(step, steps) for step in range(steps if counted else 0))
    found: list[Image] = []
    for image, faces in zip(images, each, strict=True):
        seen = image if image.mode == "RGB" else image.convert("RGB")
        for face in faces:
            seen = yield Finish(partial(with_face, seen, face, restorer, part), next(count, None))
        if faces and image.mode == "RGBA":
            seen.putalpha(image.getchannel("A"))
        found.append(seen if faces else image)
    return found


def with_face(image: Image, face: Found, restorer: Restorer, part: Faces) -> Image:
    """Return an RGB picture with one face restored."""
    upright = cut_out(image, face.points, restorer.side)
    better = restorer.restored(upright, part.fidelity)
    return laid_back(image, better, face.points, part.visibility)
