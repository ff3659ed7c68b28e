"""What tests of recipes that start from a picture share: pictures to start from, and how outcomes are compared."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from PIL import Image

from easel.core.pictures import Start
from easel.core.request import Request
from easel.core.work import EncodeImages, Evaluate, Work
from easel.media.reading import png_bytes
from easel.models.family import Model
from tests.recipes.telling import ask
from tests.tiny import load_starter


@pytest.fixture(scope="session")
def starter() -> Model:
    """The embedded model, in float32."""
    return load_starter()


def scene(width: int = 64, height: int = 64, seed: int = 0) -> Image.Image:
    """A picture in which every pixel can be told from its neighbours."""
    return Image.fromarray(numpy.random.default_rng(seed).integers(0, 256, (height, width, 3), numpy.uint8))


def start(image: Image.Image | None = None, **fields: Any) -> Start:
    """A start from `image`, or from a scene."""
    return Start(image=png_bytes(image or scene()), **fields)


def box_mask(box: tuple[int, int, int, int], size: tuple[int, int] = (64, 64), level: int = 255) -> Image.Image:
    """A mask with one rectangle in it."""
    mask = Image.new("L", size)
    mask.paste(level, box)
    return mask


def own_size(**changes: Any) -> Request:
    """A quick request that leaves the size to the picture."""
    return ask(**{"width": None, "height": None, **changes})


def levels(image: Image.Image) -> NDArray[numpy.int64]:
    """An image's levels, (height, width, channels), as numbers that can be subtracted."""
    return numpy.asarray(image).astype(numpy.int64)


def changed(one: Image.Image, other: Image.Image) -> NDArray[numpy.bool_]:
    """Where two pictures differ, (height, width)."""
    return (levels(one) != levels(other)).any(-1)


def calls(works: list[Work]) -> int:
    """How often the model was asked for denoised latents."""
    return sum(isinstance(work, Evaluate) for work in works)


def encoded(works: list[Work]) -> list[tuple[int, ...]]:
    """The shapes of the pictures that were encoded."""
    return [tuple(work.pixels.shape) for work in works if isinstance(work, EncodeImages)]
