"""A clip: the pictures of a request as frames that a motion module couples, in every step of every pass.

Knows requests and what they load; what couples frames, adapters/motion/ knows.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

from easel.core.errors import Unsupported
from easel.core.request import Request
from easel.core.work import Finish, Load, Wanted, Work
from easel.models.family import Model
from easel.prompt.fields import Fields
from easel.prompt.units import number_text
from easel.recipes.acting import Acting


def check_motion(request: Request) -> None:
    """Raise Unsupported for what does not go with frames that are drawn together."""
    if request.motion is None:
        return
    if request.refiner is not None:
        raise Unsupported("motion couples the frames of one model, and a refiner is another; leave out one of the two.")
    if request.shortcuts.features_every > 1:
        raise Unsupported(
            "shortcuts.features_every leaves out the layers in which motion couples frames; leave out one of the two."
        )


def check_apart(request: Request, sampler: str) -> None:
    """Raise Unsupported where a sampler tells a batch picture by picture, and its pictures are frames of one clip."""
    if request.motion is not None:
        raise Unsupported(f"{sampler} chooses each picture's steps by itself; frames of one clip need another sampler.")


def motion_wants(request: Request) -> list[Wanted]:
    """Return what a request's clip loads."""
    return [Wanted("motion_module", request.motion.model)] if request.motion is not None else []


def moved_by(request: Request, model: Model) -> Generator[Work, Any, tuple[Acting, ...]]:
    """Ask for what couples the frames of a pass, none for pictures. Raises ModelError."""
    motion = request.motion
    if motion is None or not motion.strength:
        return ()
    adapter: Any = yield Load(Wanted("motion_module", motion.model))
    frames: Any = yield Finish(partial(adapter.frames, model, request.batch_size))
    return (Acting(adapter, frames, frames, motion.strength, bound=True),)


def motion_fields(request: Request) -> Fields:
    """Return what infotext says of a clip."""
    motion = request.motion
    if motion is None:
        return {}
    found: Fields = {"Motion": motion.model, "Motion strength": number_text(motion.strength)}
    return found | {"Motion fps": number_text(motion.fps), "Motion format": motion.format}
