"""Resolutions: the shorter side, what cannot be, and the one that suits a picture pixel by pixel."""

from __future__ import annotations

import pytest
from PIL import Image

from easel.core.errors import BadValue
from easel.media.hints import at_resolution, hint_of, pixel_perfect
from easel.media.hints.sizes import size_at
from easel.media.resize import MODES


def test_none_and_the_picture_s_own_leave_it_untouched() -> None:
    image = Image.effect_noise((100, 80), 60).convert("RGB")
    assert at_resolution(image, None) is image
    assert at_resolution(image, 80) is image


def test_smaller_is_the_mean_of_what_lies_under_a_pixel() -> None:
    image = Image.new("L", (128, 128))
    for x in range(0, 128, 2):
        image.paste(200, (x, 0, x + 1, 128))
    assert at_resolution(image, 64).getextrema() == (100, 100)


@pytest.mark.parametrize("resolution", [0, 7, 4097, -5, True])
def test_a_resolution_outside_its_bounds_is_refused(resolution: int) -> None:
    with pytest.raises(BadValue, match=r"resolution is .*, allowed is 8 to 4096 pixels"):
        hint_of(Image.new("RGB", (70, 70)), "none", resolution=resolution)


def test_a_ribbon_cannot_grow_beyond_all_use() -> None:
    with pytest.raises(BadValue, match="allowed is one at which 3000x2 stays within 16384 pixels a side"):
        hint_of(Image.new("RGB", (3000, 2)), "none", resolution=64)


@pytest.mark.parametrize(
    ("size", "target", "how", "resolution"),
    [
        ((1024, 1024), (512, 512), "crop and resize", 512),
        ((1000, 500), (512, 512), "crop and resize", 512),
        ((1000, 500), (512, 512), "just resize", 512),
        ((1000, 500), (512, 512), "resize and fill", 256),
        ((600, 800), (512, 768), "crop and resize", 576),
        ((600, 800), (512, 768), "resize and fill", 512),
        ((1, 1), (64, 128), "crop and resize", 128),
    ],
)
def test_pixel_perfect_by_hand(size: tuple[int, int], target: tuple[int, int], how: str, resolution: int) -> None:
    assert pixel_perfect(size, target, how) == resolution


@pytest.mark.parametrize("how", ["crop and resize", "resize and fill"])
@pytest.mark.parametrize("size", [(640, 480), (333, 777), (512, 512), (900, 100)])
def test_pixel_perfect_meets_one_side_of_the_picture_to_be_drawn(size: tuple[int, int], how: str) -> None:
    target = 512, 640
    hint = size_at(size, pixel_perfect(size, target, how))
    near = [abs(side - wanted) <= 5 for side, wanted in zip(hint, target, strict=True)]
    covers = [side >= wanted - 5 for side, wanted in zip(hint, target, strict=True)]
    fits = [side <= wanted + 5 for side, wanted in zip(hint, target, strict=True)]
    assert any(near) and all(covers if how == "crop and resize" else fits)
    assert how in MODES
