"""A1111's resize modes."""

from __future__ import annotations

import numpy
import pytest
from PIL import Image

from easel.media.resize import MODES, padded, resized

LEFT_RED = Image.new("RGB", (80, 40), "blue")
LEFT_RED.paste("red", (0, 0, 20, 40))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(64, 64), (8, 128), (4096, 8), (80, 48)])
def test_every_mode_reaches_every_size(mode: str, size: tuple[int, int]) -> None:
    for image in (LEFT_RED, LEFT_RED.convert("L"), Image.new("RGB", (1, 1), "red"), Image.new("L", (3000, 1), 7)):
        found = resized(image, size, mode)
        assert (found.size, found.mode) == (size, image.mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_picture_of_that_size_is_left_alone(mode: str) -> None:
    assert resized(LEFT_RED, (80, 40), mode) is LEFT_RED


def test_just_resize_squeezes() -> None:
    levels = numpy.asarray(resized(LEFT_RED, (40, 40), "just resize"))
    assert levels[20, 4, 0] > 240 and levels[20, 36, 2] > 240
    assert levels[20, 15, 2] > 240


def test_crop_and_resize_cuts_the_sides() -> None:
    levels = numpy.asarray(resized(LEFT_RED, (40, 40), "crop and resize"))
    assert (levels == numpy.asarray(LEFT_RED)[:, 20:60]).all()


def test_resize_and_fill_shows_all_and_draws_out_the_edges() -> None:
    image = Image.new("RGB", (80, 40), "blue")
    image.paste("lime", (0, 0, 80, 1))
    levels = numpy.asarray(resized(image, (80, 80), "resize and fill"))
    assert (levels[:21] == (0, 255, 0)).all()
    assert (levels[21:] == (0, 0, 255)).all()


def test_margins() -> None:
    image = Image.fromarray(numpy.array([[1, 2]], numpy.uint8))
    assert numpy.asarray(padded(image, 2, 0, 1, 0, "symmetric")).tolist() == [[2, 1, 1, 2, 2]]
    assert numpy.asarray(padded(image, 2, 0, 1, 0, "edge")).tolist() == [[1, 1, 1, 2, 2]]
    assert numpy.asarray(padded(image, 1, 0, 1, 1, 255)).tolist() == [[255, 1, 2, 255], [255] * 4]
