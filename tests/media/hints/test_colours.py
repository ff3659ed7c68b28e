"""Blur, tile, recolour, colour grid, threshold, invert, inpaint and shuffle, against numbers worked out otherwise."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from PIL import Image

from easel.core.errors import BadValue
from easel.media.hints import hint_of


def levels(image: Image.Image, name: str, **options: Any) -> NDArray[numpy.int64]:
    return numpy.asarray(hint_of(image, name, options=options)).astype(numpy.int64)


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(numpy.random.RandomState(3).randint(0, 256, (height, width, 3)).astype(numpy.uint8))


def test_luminance_is_the_lightness_of_lab() -> None:
    # L* of sRGB's primaries under D65: 53.24, 87.73 and 32.30; of middle grey 53.59.
    image = Image.new("RGB", (6, 1))
    for x, colour in enumerate(("red", "lime", "blue", "#808080", "black", "white")):
        image.paste(colour, (x, 0, x + 1, 1))
    found = levels(image, "recolor_luminance")
    assert found[0, :, 0].tolist() == [136, 224, 82, 137, 0, 255]
    assert (found == found[..., :1]).all()


def test_intensity_is_the_largest_channel() -> None:
    image = noise(20, 10)
    found = levels(image, "recolor_intensity")
    assert (found[..., 0] == numpy.asarray(image.convert("HSV"))[..., 2]).all()


def test_gamma_bends_between_black_and_white() -> None:
    image = Image.fromarray(numpy.arange(256, dtype=numpy.uint8)[None])
    found = levels(image, "recolour-intensity", gamma=0.5)[0, :, 0]
    assert found.tolist() == [round(255 * (level / 255) ** 0.5) for level in range(256)]


def test_colour_cells_are_means_and_the_last_may_be_cut() -> None:
    image = noise(70, 20)
    whole, found = numpy.asarray(image).astype(numpy.float64), levels(image, "t2ia_color_grid", cell=16)
    for top in (0, 16):
        for left in range(0, 70, 16):
            cell = found[top : top + 16, left : left + 16]
            mean = whole[top : top + 16, left : left + 16].mean((0, 1))
            assert (cell == cell[0, 0]).all() and abs(cell[0, 0] - mean).max() <= 0.5 + 1e-9


def test_threshold_is_above_and_not_at() -> None:
    image = Image.new("L", (3, 1))
    for x, level in enumerate((126, 127, 128)):
        image.putpixel((x, 0), level)
    assert levels(image, "threshold")[0, :, 0].tolist() == [0, 0, 255]
    assert levels(image, "threshold", level=126.5)[0, :, 0].tolist() == [0, 255, 255]


def test_inverted_twice_is_the_picture() -> None:
    image = noise(9, 7)
    once = hint_of(image, "invert (from white bg & black line)")
    assert (levels(image, "invert") == 255 - numpy.asarray(image)).all()
    assert (levels(once, "invert") == numpy.asarray(image)).all()


def test_a_tile_loses_detail_and_keeps_its_mean() -> None:
    image = noise(64, 64)
    assert (levels(image, "tile_resample") == numpy.asarray(image)).all()
    spreads = [levels(image, "tile", rate=rate).std() for rate in (1.0, 2.0, 4.0, 8.0)]
    assert spreads == sorted(spreads, reverse=True) and spreads[-1] < spreads[0] / 5
    assert levels(image, "tile", rate=8.0).mean() == pytest.approx(numpy.asarray(image).mean(), abs=2)


def test_a_blur_keeps_the_mean_and_melts_a_step_by_the_error_function() -> None:
    step = Image.new("L", (81, 9), 0)
    step.paste(200, (41, 0, 81, 9))
    found = levels(step, "blur_gaussian", sigma=4.0)[4, :, 0]
    assert found[40] == pytest.approx(200 * 0.4503, abs=2)  # half a pixel before the middle: Phi(-1/8)
    assert found[36] == pytest.approx(200 * 0.1303, abs=2)  # Phi(-4.5 / 4)
    assert (numpy.diff(found) >= 0).all() and (found[0], found[-1]) == (0, 200)


def test_inpainting_keeps_what_is_opaque_and_empties_what_is_not() -> None:
    image = noise(4, 1).convert("RGBA")
    for x, alpha in enumerate((255, 128, 127, 0)):
        image.putpixel((x, 0), (*image.getpixel((x, 0))[:3], alpha))  # type: ignore[index]
    found, colours = levels(image, "inpaint_only")[0], numpy.asarray(image)[0]
    assert found[:, 3].tolist() == [255, 255, 0, 0]
    assert (found[:2, :3] == colours[:2, :3]).all() and not found[2:].any()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_inpainting_needs_something_to_paint(mode: str) -> None:
    with pytest.raises(BadValue, match="picture is 'opaque everywhere', allowed is one with transparent places"):
        hint_of(noise(4, 4).convert(mode), "inpaint")


def coordinates(width: int, height: int) -> Image.Image:
    """A picture whose red says how far right a place is, whose green how far down."""
    y, x = numpy.mgrid[:height, :width]
    return Image.fromarray(numpy.stack([x, y, x * 0], -1).astype(numpy.uint8))


def test_shuffling_is_smooth_reaches_all_and_stays_within() -> None:
    found = levels(coordinates(200, 160), "shuffle", grain=64)
    for channel, greatest in ((0, 199), (1, 159)):
        places = found[..., channel]
        assert (places.min(), places.max()) == (0, greatest)
        assert max(abs(numpy.diff(places, axis=axis)).max() for axis in (0, 1)) < 20


def test_shuffling_follows_its_seed_alone() -> None:
    image = coordinates(120, 90)
    first, again, other = (levels(image, "shuffle", seed=seed) for seed in (7, 7, 8))
    assert (first == again).all() and (first != other).mean() > 0.5


def test_a_seed_s_flow_is_the_same_everywhere() -> None:
    found = levels(coordinates(9, 9), "shuffle", seed=1, grain=16)
    assert found[::4, ::4, :2].tolist() == [
        [[5, 3], [3, 7], [3, 7]],
        [[7, 3], [2, 5], [1, 4]],
        [[8, 1], [2, 2], [1, 0]],
    ]


def test_colours_that_are_shuffled_are_the_picture_s() -> None:
    image = Image.new("RGB", (64, 64), (10, 200, 30))
    assert (levels(image, "shuffle", grain=16) == (10, 200, 30)).all()
