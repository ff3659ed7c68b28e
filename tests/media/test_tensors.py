"""Pixels between torch and Pillow."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from easel.core.errors import BadValue, ModelError
from easel.media.tensors import to_images, to_pixels


def test_every_level_comes_back_exactly() -> None:
    levels = Image.new("RGB", (256, 1))
    levels.putdata([(level, 255 - level, 7) for level in range(256)])
    pixels = to_pixels([levels, levels])
    assert pixels.shape == (2, 3, 1, 256)
    assert pixels.dtype == torch.float32
    assert [image.tobytes() for image in to_images(pixels)] == [levels.tobytes()] * 2


def test_values_go_to_the_nearest_level_and_are_clipped() -> None:
    values = torch.tensor([-1.0, 0.0, 0.499 / 255, 0.501 / 255, 1.0, 2.0, float("inf"), -float("inf")])
    (image,) = to_images(values.expand(1, 3, 1, 8))
    assert [pixel[0] for pixel in [image.getpixel((x, 0)) for x in range(8)]] == [0, 0, 0, 1, 255, 255, 255, 0]


def test_rows_and_columns_keep_their_places() -> None:
    pixels = torch.zeros(1, 3, 2, 3, dtype=torch.bfloat16)
    pixels[0, 1, 1, 2] = 1
    (image,) = to_images(pixels)
    assert image.size == (3, 2)
    assert image.getpixel((2, 1)) == (0, 255, 0)


def test_wrong_shapes_and_values_are_refused() -> None:
    with pytest.raises(BadValue, match="shape of pixels"):
        to_images(torch.zeros(3, 8, 8))
    with pytest.raises(ModelError, match="not numbers"):
        to_images(torch.full((1, 3, 8, 8), float("nan")))
    with pytest.raises(BadValue, match="image sizes"):
        to_pixels([Image.new("RGB", (8, 8)), Image.new("RGB", (8, 16))])
    with pytest.raises(BadValue, match="image sizes"):
        to_pixels([])


def test_no_picture_of_none() -> None:
    assert to_images(torch.zeros(0, 3, 8, 8)) == []
