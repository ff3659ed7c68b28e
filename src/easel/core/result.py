"""What came back: pictures with the settings that made them.

Pixels are Pillow images; nothing here imports Pillow, so doors can speak of results without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, the seed it grew from, and its A1111 infotext."""

    image: Image
    seed: int
    infotext: str


@dataclass(frozen=True, slots=True)
class Result:
    """The pictures of one request, in the order of their seeds, and what they cost.

    evaluations counts calls for `denoised`; seconds is wall time from admission to the last picture.
    """

    pictures: tuple[Picture, ...]
    evaluations: int
    seconds: float
