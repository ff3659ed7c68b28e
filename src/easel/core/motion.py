"""The part of a request that makes one clip of its pictures: the motion module that couples them, and the film.

Guo et al. 2024 (AnimateDiff), arXiv:2307.04725. Knows names and ranges; not which motion modules there are.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from easel.core.limits import Name
from easel.core.values import Value

Film = Literal["webp", "gif", "mp4"]
FRAMES = 16  # of a clip where nobody says how many, as motion modules were trained


class Motion(Value):
    """The request's pictures are the frames of one clip, drawn together; there are batch_size of them.

    model: the motion module's name; `easel models list --kind motion_module` has them. strength: 0..2, how firmly it
    couples frames: 0 leaves them apart, 1 is as it was trained.
    fps: 0.1..60, frames a second of the film that is written beside the frames. format: of that film.
    """

    spoken: ClassVar[str] = "motion."

    model: Name
    strength: Annotated[float, Field(ge=0, le=2)] = 1.0
    fps: Annotated[float, Field(ge=0.1, le=60)] = 8.0
    format: Film = "webp"
