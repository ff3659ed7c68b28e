"""Soft edges, line art and scribbles: what they make of steps, ink and tone."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from easel.media.hints import hint_of
from easel.media.hints.levels import smoothed


def levels(image: Image.Image, name: str, **options: Any) -> NDArray[numpy.uint8]:
    found = numpy.asarray(hint_of(image, name, options=options))
    assert (found == found[..., :1]).all()
    return found[..., 0]


def step(height: int, size: int = 96) -> Image.Image:
    found = numpy.full((size, size), 50, numpy.uint8)
    found[:, size // 2 :] += height
    return Image.fromarray(found)


def drawing(ink: str = "black", paper: str = "white") -> Image.Image:
    image = Image.new("RGB", (96, 96), paper)
    ImageDraw.Draw(image).line((48, 10, 48, 85), fill=ink, width=3)
    return image


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("height", [20, 60])
def test_a_soft_edge_is_as_bright_as_its_step_is_high(height: int, sigma: float) -> None:
    found = levels(step(height, 192), "softedge", sigma=sigma, gain=2.0)
    assert found[96].max() == pytest.approx(2 * height, rel=0.1)
    assert found[96].argmax() in (95, 96)
    assert not found[:, :8].any() and not found[:, -8:].any()


def test_soft_edges_widen_with_sigma() -> None:
    widths = [int((levels(step(80), "softedge", sigma=sigma)[48] > 80).sum()) for sigma in (0.5, 1.0, 2.0)]
    assert widths == sorted(set(widths))


def test_soft_edges_do_not_mind_the_direction() -> None:
    image = step(60)
    turned = levels(image.transpose(Image.Transpose.ROTATE_90), "softedge")
    assert (abs(turned.astype(int) - numpy.rot90(levels(image, "softedge"))) <= 1).all()


def test_ink_becomes_white_and_paper_black() -> None:
    found = levels(drawing(), "lineart")
    assert (found[20:75, 47:50] > 200).all()
    assert not found[:, :25].any() and not found[:, 70:].any()


def test_grey_ink_becomes_white_too_but_grain_does_not() -> None:
    assert levels(drawing("#a0a0a0"), "lineart")[48, 48] > 200
    assert 0 < levels(drawing("#ececec"), "lineart", threshold=4)[48, 48] < 160


def test_a_patch_of_colour_is_no_ink() -> None:
    image = Image.new("RGB", (96, 96), "white")
    image.paste((255, 40, 40), (48, 0, 96, 96))
    assert not levels(image, "lineart").any()


def test_a_scribble_draws_dark_lines_and_dark_sides_of_steps() -> None:
    found = levels(drawing(), "scribble")
    assert (found[20:75, 47:50] > 200).all() and not found[:, :35].any()
    found = levels(step(120), "scribble")
    assert found[48, 46] > 200 and not found[48, 50:].any() and not found[48, :30].any()


def test_a_scribble_is_the_paper_s_formula() -> None:
    image = step(120)
    light = numpy.asarray(image, numpy.float32)
    difference = smoothed(light, 1.5) - 0.9 * smoothed(light, 3.0) - 20
    expected = numpy.where(difference >= 0, 0, -255 * numpy.tanh(0.05 * difference))
    found = levels(image, "scribble", sigma=1.5, k=2, tau=0.9, threshold=-20, phi=0.05)
    assert abs(found - expected).max() <= 0.51
    assert len(numpy.unique(found)) > 4


def test_a_scribble_s_dark_places_fill_below_zero() -> None:
    night = Image.new("L", (64, 64), 20)
    assert not levels(night, "scribble").any()
    assert (levels(night, "scribble", tau=0.5, threshold=-30) == 255).all()


@pytest.mark.parametrize("sigma", [0.8, 1.5, 5.0])
def test_smoothing_is_a_gaussian(sigma: float) -> None:
    point = numpy.zeros((81, 81), numpy.float32)
    point[40, 40] = 1
    found = smoothed(point, sigma)
    assert found.sum() == pytest.approx(1, abs=1e-4)
    y, x = numpy.mgrid[:81, :81] - 40
    assert (found * x).sum() == pytest.approx(0, abs=1e-4)
    assert math.sqrt((found * y**2).sum()) == pytest.approx(sigma, rel=0.03)
    assert found == pytest.approx(found.T, abs=1e-8)


def test_smoothing_leaves_an_even_picture_even_up_to_its_border() -> None:
    assert smoothed(numpy.full((5, 3, 3), 200, numpy.float32), 9.0) == pytest.approx(200, abs=1e-3)
