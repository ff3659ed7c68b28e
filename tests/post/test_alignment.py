"""Faces brought upright and laid back: what is turned, scaled and moved comes back where it was."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from easel.media.compare import difference
from easel.post.alignment import SIDE, TEMPLATE, Similarity, cut_out, laid_back, upright

turns = st.complex_numbers(min_magnitude=0.1, max_magnitude=4, allow_nan=False, allow_infinity=False)
moves = st.complex_numbers(max_magnitude=900, allow_nan=False, allow_infinity=False)


def placed(turn: complex, move: complex) -> list[tuple[float, float]]:
    """Return the template's landmarks turned, scaled and moved."""
    return [Similarity(turn, move).at(point) for point in TEMPLATE]


def scene(size: tuple[int, int] = (400, 300)) -> Image.Image:
    """Return a picture of soft coloured noise."""
    noise = numpy.random.default_rng(0).integers(0, 256, (size[1] // 8, size[0] // 8, 3), numpy.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(2))


@given(turn=turns, move=moves)
def test_a_face_that_is_turned_scaled_and_moved_is_brought_upright(turn: complex, move: complex) -> None:
    points = placed(turn, move)
    found = upright(points)
    assert found.scale * abs(turn) == pytest.approx(1)
    assert numpy.allclose([found.at(point) for point in points], TEMPLATE, atol=1e-4)
    assert numpy.allclose([found.back().at(point) for point in TEMPLATE], points, atol=1e-4)


def test_a_face_is_never_sheared_and_nonsense_is_no_error() -> None:
    skewed = [(x * 1.3, y) for x, y in TEMPLATE]
    a, b, c = (upright(skewed).at(point) for point in ((0, 0), (1, 0), (0, 1)))
    assert numpy.hypot(b[0] - a[0], b[1] - a[1]) == pytest.approx(numpy.hypot(c[0] - a[0], c[1] - a[1]))
    assert upright([(5, 5)] * 5).scale == 1


@pytest.mark.parametrize("side", [256, 512])
@pytest.mark.parametrize(("turn", "move"), [(0.4, 60 + 30j), (0.3 + 0.2j, 150 + 20j), (2.5, -300 - 200j)])
def test_a_face_laid_back_as_it_was_leaves_the_picture_as_it_was(turn: complex, move: complex, side: int) -> None:
    image, points = scene(), placed(turn, move)
    back = laid_back(image, cut_out(image, points, side), points)
    apart = difference(image, back)
    assert apart is not None
    assert apart.psnr > 33


def test_only_the_face_changes_and_its_edges_fade() -> None:
    image, points = scene(), placed(0.2, 100 + 80j)
    old = numpy.asarray(image, int)
    new = numpy.asarray(laid_back(image, Image.new("RGB", (SIDE, SIDE), (255, 0, 0)), points), int)
    changed = (old != new).any(2)
    rows, columns = numpy.nonzero(changed)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == pytest.approx((100, 80, 202, 182), abs=3)
    middle = new[130, 150]
    assert tuple(middle) == (255, 0, 0)
    steps = numpy.abs(numpy.diff(new[130, 95:150] - old[130, 95:150], axis=0))
    assert steps.max() < 60


def test_visibility_lays_it_over_so_far() -> None:
    image, points = scene(), placed(0.2, 100 + 80j)
    face = Image.new("RGB", (SIDE, SIDE), (255, 0, 0))
    old, half, full = (
        numpy.asarray(laid_back(image, face, points, visibility), float) for visibility in (0.0, 0.5, 1.0)
    )
    assert numpy.array_equal(old, numpy.asarray(image))
    assert abs(half - (old + full) / 2).max() <= 1


def test_a_face_that_lies_beyond_the_picture_changes_nothing() -> None:
    image = scene()
    assert laid_back(image, Image.new("RGB", (SIDE, SIDE)), placed(0.1, 900 + 900j)) is image
