"""How far two pictures are apart."""

from __future__ import annotations

import math

import pytest
from PIL import Image

from easel.media.compare import Difference, difference


def test_equal_pictures() -> None:
    image = Image.effect_noise((9, 7), 90)
    assert difference(image, image.copy().convert("RGB")) == Difference(63, 0, 0, math.inf)


def test_each_differing_pixel_counts_once() -> None:
    one = Image.new("RGB", (10, 10), (100, 100, 100))
    other = one.copy()
    other.putpixel((3, 4), (101, 98, 100))
    other.putpixel((9, 9), (100, 100, 105))
    found = difference(one, other)
    assert found is not None and (found.pixels, found.differing, found.greatest) == (100, 2, 5)
    assert found.psnr == pytest.approx(10 * math.log10(255**2 * 300 / (1 + 4 + 25)))


def test_transparency_counts() -> None:
    one = Image.new("RGBA", (2, 2), (1, 2, 3, 255))
    other = Image.new("RGB", (2, 2), (1, 2, 3))
    assert difference(one, other) == Difference(4, 0, 0, math.inf)
    one.putpixel((0, 0), (1, 2, 3, 0))
    found = difference(one, other)
    assert found is not None and (found.differing, found.greatest) == (1, 255)


def test_other_sizes_cannot_be_compared() -> None:
    assert difference(Image.new("RGB", (2, 2)), Image.new("RGB", (2, 3))) is None
