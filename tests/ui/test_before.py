"""What a picture was made from lies where it came to lie in the result."""

from __future__ import annotations

import io

import numpy
import pytest
from PIL import Image

from easel.core.errors import BadValue
from easel.core.request import Request
from easel.ui.before import laid_out


def start(size: tuple[int, int]) -> dict[str, bytes]:
    """A start picture of which every pixel is its own."""
    levels = numpy.random.default_rng(2).integers(0, 256, (size[1], size[0], 3), numpy.uint8)
    out = io.BytesIO()
    Image.fromarray(levels).save(out, "PNG")
    return {"image": out.getvalue()}


def pixels(image: Image.Image) -> numpy.ndarray:
    """A picture's levels."""
    return numpy.asarray(image)


def test_a_picture_of_the_results_size_comes_bit_for_bit() -> None:
    given = start((32, 24))
    made = laid_out(Request(recipe="inpaint", start=given, mask={}), (32, 24))
    assert (pixels(made) == pixels(Image.open(io.BytesIO(given["image"])))).all()


def test_one_of_another_size_is_brought_to_it_as_the_recipe_did() -> None:
    assert laid_out(Request(recipe="image_to_image", start=start((40, 24))), (16, 16)).size == (16, 16)


def test_a_grown_picture_lies_within_its_margins_and_all_around_is_clear() -> None:
    given, grow = start((32, 24)), {"left": 8, "right": 16, "top": 24, "bottom": 32}
    made = laid_out(Request(recipe="outpaint", start=given, outpaint=grow), (56, 80))
    inner = pixels(made)[24:48, 8:40]
    assert (inner[..., :3] == pixels(Image.open(io.BytesIO(given["image"])))).all()
    assert pixels(made)[..., 3].sum() == 255 * 32 * 24


def test_a_picture_of_words_alone_has_no_beginning() -> None:
    with pytest.raises(BadValue, match="start"):
        laid_out(Request(), (8, 8))
