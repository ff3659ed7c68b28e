"""The pictures of an image prompt, from the bytes of their files; a face may come as its embedding instead.

Opens pictures and knows no model.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy
from numpy.typing import NDArray
from PIL import Image

from easel.core.control import ImagePrompt
from easel.core.errors import BadValue
from easel.media.masks import mask_of
from easel.media.reading import flat, open_image
from easel.models.files.listing import one_line

NUMPY = b"\x93NUMPY"  # how numpy's own files begin
FIELD = "image_prompts.images"

Embedding = NDArray[numpy.float32]
Seen = Image.Image | Embedding


def opened(prompt: ImagePrompt, field: str = FIELD) -> list[Seen]:
    """Return the pictures of an image prompt in RGB, and embeddings for those that are .npy files.

    Raises BadValue naming `field`.
    """
    return [
        embedding_in(data, field) if data.startswith(NUMPY) else flat(open_image(data, field)) for data in prompt.images
    ]


def pictures_among(seen: Sequence[Seen | None]) -> list[Image.Image]:
    """Return pictures, where nothing else will do. Raises BadValue for an embedding, whose picture is not there."""
    found = [one for one in seen if isinstance(one, Image.Image)]
    if len(found) != len(seen):
        raise BadValue(FIELD, "a face's embedding", "pictures for this adapter, which reads how they look")
    return found


def region_of(prompt: ImagePrompt) -> Image.Image | None:
    """Return the mask of where an image prompt leads, None for everywhere. Raises BadValue."""
    if prompt.region is None:
        return None
    return mask_of(open_image(prompt.region, "image_prompts.region"), "light")


def embedding_in(data: bytes, field: str) -> Embedding:
    """Return the numbers of a .npy file, (width,). Raises BadValue naming `field`."""
    try:
        found = numpy.load(io.BytesIO(data), allow_pickle=False)
        numbers = numpy.asarray(found, numpy.float32).squeeze()
    except (ValueError, TypeError, EOFError, OSError) as error:
        raise BadValue(field, one_line(error), "a picture, or numbers in a whole .npy file") from error
    if numbers.ndim != 1 or not numpy.isfinite(numbers).all():
        raise BadValue(field, f".npy of {numbers.shape}", "one face's embedding, such as 512 numbers")
    return numbers
