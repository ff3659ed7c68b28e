"""The model in the package: it fits, it loads, and its pictures show what the words say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy
import pytest
from PIL.Image import Image

import easel
from easel.models.library.names import STARTER
from tests.tiny import starter_side

# As training/world/scenes.py names them; repeated here so that the test does not learn from what it tests.
COLOURS = {
    "red": (219, 41, 41),
    "green": (61, 173, 82),
    "blue": (51, 115, 230),
    "yellow": (252, 222, 64),
    "black": (13, 13, 15),
    "white": (250, 250, 250),
}


@pytest.fixture(scope="module")
def studio() -> Iterator[easel.Studio]:
    with easel.load("starter") as opened:
        yield opened


def border_colour(image: Image) -> str:
    """Return the name of the colour nearest to the median of a picture's border."""
    pixels = numpy.asarray(image).astype(int)
    border = numpy.concatenate([pixels[:4].reshape(-1, 3), pixels[-4:].reshape(-1, 3)])
    median = numpy.median(border, axis=0)
    return min(COLOURS, key=lambda name: float(numpy.abs(median - COLOURS[name]).sum()))


def test_it_fits() -> None:
    sizes = [file.stat().st_size for file in STARTER.rglob("*") if file.is_file()]
    assert max(sizes) <= 16_000_000
    assert sum(sizes) <= 40_000_000
    assert (STARTER.parent / "README.md").is_file(), "the model's card"


def test_backgrounds_are_what_the_words_say_in_both_languages(studio: easel.Studio) -> None:
    asked = {
        "an apple on a blue background": "blue",
        "a cat on a green background": "green",
        "a fish on a yellow background": "yellow",
        "파란 배경의 여우": "blue",
        "빨간 배경의 고양이": "red",
        "검은 배경의 사과": "black",
        "a banana": "white",
        "사과": "white",
    }
    pictures = studio.text_to_image(list(asked), seed=5, steps=16)
    seen = {prompt: border_colour(picture.image) for prompt, picture in zip(asked, pictures, strict=True)}
    right = sum(seen[prompt] == colour for prompt, colour in asked.items())
    assert right >= len(asked) - 1, seen


def test_the_same_request_gives_the_same_picture(studio: easel.Studio) -> None:
    first, second = (studio.text_to_image("a red apple", seed=3, steps=6)[0] for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes()
    assert first.infotext == second.infotext
    assert first.image.size == (starter_side(), starter_side())


def test_words_in_the_middle_of_a_picture_change_it(studio: easel.Studio) -> None:
    """A red subject and a blue one differ where the subject stands, and hardly at the border."""
    red, blue = (
        numpy.asarray(picture.image).astype(int)
        for picture in studio.text_to_image(["a red apple", "a blue apple"], seed=4, steps=16)
    )
    middle = slice(3 * starter_side() // 8, 5 * starter_side() // 8)
    assert (red - blue)[middle, middle, 0].mean() > 40
    assert (blue - red)[middle, middle, 2].mean() > 40
    assert abs(int(numpy.median(red[:4] - blue[:4]))) < 12
