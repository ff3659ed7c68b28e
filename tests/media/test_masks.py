"""Masks: what is painted, and that the rest is left alone."""

from __future__ import annotations

import numpy
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from easel.media import masks
from easel.media.colours import matched


def rectangle(size: tuple[int, int], box: tuple[int, int, int, int], level: int = 255) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(level, box)
    return mask


def test_light_and_opacity() -> None:
    layer = Image.new("RGBA", (4, 1))
    layer.putdata([(255, 255, 255, 255), (0, 0, 0, 255), (255, 255, 255, 0), (255, 255, 255, 100)])
    assert list(masks.mask_of(layer, "light").tobytes()) == [255, 0, 0, 100]
    assert list(masks.mask_of(layer, "alpha").tobytes()) == [255, 255, 0, 100]
    assert list(masks.mask_of(layer.convert("RGB"), "alpha").tobytes()) == [255] * 4


@pytest.mark.parametrize("box", [(20, 10, 60, 40), (0, 0, 5, 50), (79, 49, 80, 50)])
@pytest.mark.parametrize("sigma", [1.0, 4.0, 6.5, 30.0])
def test_blur_is_a_gaussian_cut_at_two_and_a_half_sigma(box: tuple[int, int, int, int], sigma: float) -> None:
    mask = rectangle((80, 50), box)
    radius = int(2.5 * sigma + 0.5)
    weights = numpy.exp(-0.5 * (numpy.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    expected = numpy.asarray(mask).astype(float)
    for axis in (0, 1):
        expected = ndimage.convolve1d(expected, weights, axis, mode="mirror")
    assert abs(numpy.asarray(masks.blurred(mask, sigma)) - expected).max() < 0.51


def test_no_blur_and_no_mask() -> None:
    mask = rectangle((8, 8), (2, 2, 4, 4))
    assert masks.blurred(mask, 0) is mask
    assert masks.is_black(masks.blurred(Image.new("L", (8, 8)), 4))


@pytest.mark.parametrize(
    ("box", "padding", "size", "expected"),
    [
        ((50, 40, 90, 80), 32, (512, 512), (18, 8, 122, 112)),
        ((50, 40, 90, 80), 0, (512, 256), (30, 40, 110, 80)),
        ((50, 40, 90, 80), 0, (256, 512), (50, 20, 90, 100)),
        ((0, 0, 20, 20), 0, (512, 256), (0, 0, 40, 20)),  # moved back into the picture
        ((180, 130, 200, 150), 8, (512, 256), (144, 122, 200, 150)),
        ((0, 0, 200, 150), 256, (512, 512), (0, 0, 200, 150)),  # as far as the picture goes
    ],
)
def test_the_part_worked_on(
    box: tuple[int, int, int, int], padding: int, size: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    assert masks.work_box(rectangle((200, 150), box), padding, size) == expected


def test_fill_takes_the_surroundings_and_only_under_the_mask() -> None:
    image = Image.new("RGB", (96, 64), (200, 60, 30))
    ImageDraw.Draw(image).rectangle((30, 20, 60, 40), fill=(0, 0, 255))
    mask = rectangle(image.size, (28, 18, 64, 44))
    filled = numpy.asarray(masks.filled(image, mask)).astype(int)
    outside = numpy.asarray(mask) == 0
    assert (filled[outside] == numpy.asarray(image)[outside]).all()
    assert abs(filled - (200, 60, 30)).max() <= 8


def test_fill_of_everything_does_not_fail() -> None:
    image = Image.new("RGB", (32, 32), "red")
    assert masks.filled(image, Image.new("L", (32, 32), 255)).size == (32, 32)


def test_cells_are_whole_or_not() -> None:
    mask = rectangle((64, 64), (16, 16, 40, 36))
    cells = masks.cells_of(mask, (8, 8), rounded=True)
    assert set(numpy.unique(cells)) == {0.0, 1.0}
    assert cells[2:4, 2:5].all() and cells.sum() <= 9
    assert 0 < masks.cells_of(rectangle((64, 64), (16, 16, 40, 36), 100), (8, 8), rounded=False).max() < 0.5


def test_a_speck_still_has_a_cell() -> None:
    cells = masks.cells_of(rectangle((640, 640), (13, 27, 14, 28)), (8, 8), rounded=True)
    assert cells.sum() == 1 and cells[0, 0] == 1


def test_pasting_is_exact_at_both_ends() -> None:
    noise = numpy.random.default_rng(1).integers(0, 256, (2, 16, 256, 3), numpy.uint8)
    old, new = (Image.fromarray(one) for one in noise)
    mask = Image.fromarray(numpy.tile(numpy.arange(256, dtype=numpy.uint8), (16, 1)))
    pasted = numpy.asarray(masks.pasted(old, new, mask))
    assert (pasted[:, 0] == noise[0][:, 0]).all()
    assert (pasted[:, 255] == noise[1][:, 255]).all()
    middle = (noise[0][:, 128].astype(int) * 127 + noise[1][:, 128] * 128.0) / 255
    assert abs(pasted[:, 128] - middle).max() <= 1


def test_difference() -> None:
    one = Image.new("RGB", (8, 8))
    other = one.copy()
    other.putpixel((3, 5), (0, 0, 1))
    assert masks.difference(one, other).getbbox() == (3, 5, 4, 6)


def test_colours_are_matched_and_light_is_kept() -> None:
    chance = numpy.random.default_rng(0)
    grey = Image.fromarray(chance.integers(60, 200, (48, 48, 1), numpy.uint8).repeat(3, 2))
    red = Image.fromarray((chance.integers(60, 200, (32, 40, 1)) * (1.0, 0.4, 0.3)).astype(numpy.uint8))
    found = numpy.asarray(matched(grey, red)).astype(float)
    assert found[..., 0].mean() > found[..., 1].mean() + 30
    light = found @ (0.3, 0.59, 0.11)
    assert abs(light - numpy.asarray(grey)[..., 0]).max() < 2
    assert abs(numpy.asarray(matched(grey, grey)).astype(int) - numpy.asarray(grey)).max() <= 1
