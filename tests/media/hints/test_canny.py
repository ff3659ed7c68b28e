"""Canny's edges, on pictures small enough to work them out by hand."""

from __future__ import annotations

import numpy
import pytest
from numpy.typing import NDArray
from PIL import Image

from easel.core.errors import BadValue
from easel.media.hints import hint_of
from easel.media.hints.canny import joined


def picture(levels: object) -> Image.Image:
    return Image.fromarray(numpy.asarray(levels, numpy.uint8))


def edges(image: Image.Image, **options: float) -> NDArray[numpy.bool_]:
    levels = numpy.asarray(hint_of(image, "canny", options=options))
    assert set(numpy.unique(levels)) <= {0, 255}
    return levels[..., 0] == 255


def drawn(found: NDArray[numpy.bool_]) -> list[str]:
    return ["".join(".#"[int(place)] for place in row) for row in found]


def places(text: str) -> NDArray[numpy.bool_]:
    return numpy.array([[letter == "#" for letter in row] for row in text.split()])


def test_a_step_is_one_pixel_wide_at_its_left_side() -> None:
    # Sobel gives 4 x 60 = 240 in both columns beside the step; of equals the right one counts as less.
    step = picture([[100, 100, 100, 160, 160, 160]] * 4)
    assert drawn(edges(step)) == ["..#..."] * 4
    assert drawn(edges(step.transpose(Image.Transpose.TRANSPOSE))) == ["....", "....", "####", "....", "....", "...."]


def test_a_slope_is_found_at_its_steepest() -> None:
    # Slopes of 4 x (10, 50, 110, 60, 0): its crest alone is an edge.
    ramp = picture([[0, 0, 10, 50, 120, 110, 110]] * 3)
    assert drawn(edges(ramp, low=40, high=200)) == ["...#..."] * 3


def test_thresholds_are_steepness_and_not_reached_is_not_above() -> None:
    step = picture([[100, 100, 150, 150]] * 3)  # 4 x 50 = 200
    assert not edges(step, low=100, high=200).any()
    assert edges(step, low=100, high=199).any()


def test_a_corner_by_hand() -> None:
    # A bright square from (3, 3). Steepness is 480 at its corner, 320 along its sides and both sides of them, 320 with
    # slopes of 80 and 240 beside the corner, where it yields to it, and 160 at (2, 2), where it yields too.
    square = numpy.zeros((7, 7), numpy.uint8)
    square[3:, 3:] = 80
    assert drawn(edges(picture(square), low=100, high=200)) == [
        ".......",
        ".......",
        "....###",
        "...#...",
        "..#....",
        "..#....",
        "..#....",
    ]


def test_the_steepest_channel_counts() -> None:
    levels = numpy.zeros((3, 6, 3), numpy.uint8)
    levels[:, 3:, 2] = 90  # in light alone this would be 4 x 10
    assert drawn(edges(picture(levels))) == ["..#..."] * 3


def test_a_faint_edge_stays_only_where_it_hangs_on_a_strong_one() -> None:
    # The first step falls from 90 to 45 levels, 5 a row, and is 4 of them and 30 steep; the second has 60 all along.
    fading = numpy.zeros((10, 12), numpy.uint8)
    fading[:, 6:] = numpy.arange(90, 40, -5)[:, None]
    faint = numpy.where(fading, 60, 0)
    assert edges(picture(fading), low=150, high=300)[:, 5:7].any(1).all()
    assert edges(picture(fading), low=300, high=300)[:, 5:7].any(1).tolist() == [True] * 5 + [False] * 5
    assert not edges(picture(faint), low=150, high=300).any()
    assert edges(picture(faint), low=150, high=200)[:, 5].all()


def test_joining_goes_round_corners_and_far_and_never_over_gaps() -> None:
    weak = places("#.....#. .#....#. ..#.#.#. ...#..#. ......#.")
    strong = places("#....... ........ ........ ........ ........")
    assert drawn(joined(strong, weak | strong)) == ["#.......", ".#......", "..#.#...", "...#....", "........"]
    snake = numpy.zeros((41, 41), bool)
    snake[::2] = True
    snake[1::4, -1], snake[3::4, 0] = True, True
    start = numpy.zeros_like(snake)
    start[0, 0] = True
    assert (joined(start, snake) == snake).all()


def test_a_circle_is_closed_thin_and_where_it_was_drawn() -> None:
    y, x = numpy.mgrid[:101, :101] - 50
    radius = numpy.hypot(x, y)
    disc = (255 * (35.5 - radius).clip(0, 1)).astype(numpy.uint8)
    found = edges(picture(disc))
    assert (abs(radius[found] - 35) < 1.5).all()
    angles = numpy.arctan2(y[found], x[found])
    assert numpy.diff(numpy.sort(angles)).max() < 0.06
    assert found.sum() < 1.3 * 2 * numpy.pi * 35


def test_smoothing_takes_noise_and_leaves_the_step() -> None:
    rng = numpy.random.RandomState(1)
    levels = numpy.full((64, 64), 60.0)
    levels[:, 32:] = 190
    noisy = picture((levels + rng.normal(0, 20, levels.shape)).clip(0, 255))
    rough, clean = edges(noisy), edges(noisy, sigma=2)
    away = abs(numpy.arange(64) - 31.5) > 6
    assert rough[:, away].sum() > 100 and not clean[:, away].any()
    assert clean.any(1).all()


def test_low_above_high_is_refused() -> None:
    with pytest.raises(BadValue, match="option low of canny is 250, allowed is at most its option high, 200"):
        edges(Image.new("RGB", (4, 4)), low=250)
