"""Cutting out: the laws of masks, what a flat background is, and networks by files of the published signature."""

from __future__ import annotations

import sys
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from easel.core.errors import BadValue, Mismatch, UnknownName, Unsupported
from easel.core.finishing import Background
from easel.models.cutout import FLAT, LOOKS, all_backgrounds, cut_out, mask_of
from easel.models.cutout.flat import flooded
from easel.models.cutout.learned import GETS
from easel.models.cutout.spreading import spread
from tests.models.readers.making import readers_of, write_red_finder

SCALE = 8  # pixels drawn for each that is kept, so that edges are as soft as a lens makes them


def disc(ground: tuple[int, int, int], colour: tuple[int, int, int] = (220, 60, 20), hole: bool = False) -> Image.Image:
    """Return a disc of radius 20 in the middle of 64 pixels, its edge mixed exactly."""
    return Image.composite(Image.new("RGB", (64, 64), colour), Image.new("RGB", (64, 64), ground), shares(hole=hole))


def shares(*, hole: bool = False) -> Image.Image:
    """Return how much of each pixel is of the disc."""
    large = Image.new("L", (64 * SCALE, 64 * SCALE))
    pen = ImageDraw.Draw(large)
    pen.ellipse([12 * SCALE, 12 * SCALE, 52 * SCALE, 52 * SCALE], fill=255)
    if hole:
        pen.ellipse([26 * SCALE, 26 * SCALE, 38 * SCALE, 38 * SCALE], fill=0)
    return large.resize((64, 64), Image.Resampling.BOX)


def away(one: Image.Image, other: Image.Image) -> float:
    """Return the greatest distance of two pictures, in levels."""
    return float(abs(numpy.asarray(one, numpy.float32) - numpy.asarray(other, numpy.float32)).max())


colours = st.tuples(*[st.integers(0, 255)] * 3)


@settings(max_examples=25)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 9), st.booleans())
def test_any_picture_has_a_mask_of_its_size(width: int, height: int, seed: int, holes: bool) -> None:
    noise = numpy.random.default_rng(seed).integers(0, 256, (height, width, 3), numpy.uint8)
    image = Image.fromarray(noise)
    mask = mask_of(image, holes=holes, tolerance=20.0)
    assert (mask.mode, mask.size) == ("L", image.size)
    assert cut_out(image, mask, Background()).size == image.size


@settings(max_examples=25)
@given(colours, st.integers(1, 80), st.integers(1, 80))
def test_a_picture_of_one_colour_shows_nothing(colour: tuple[int, int, int], width: int, height: int) -> None:
    mask = mask_of(Image.new("RGB", (width, height), colour))
    assert (mask.mode, mask.size, mask.getextrema()) == ("L", (width, height), (0, 0))


@pytest.mark.parametrize("ground", [(255, 255, 255), (0, 0, 0), (40, 170, 80), (60, 100, 230)])
def test_a_disc_is_cut_out_to_its_shares(ground: tuple[int, int, int]) -> None:
    assert away(mask_of(disc(ground)), shares()) <= 12


def test_a_hole_stays_unless_it_is_to_go() -> None:
    ring = disc((255, 255, 255), hole=True)
    assert away(mask_of(ring), shares()) <= 12
    assert away(mask_of(ring, holes=True), shares(hole=True)) <= 12


def test_a_background_may_change_evenly_and_have_noise_and_a_dark_rim() -> None:
    down, across = numpy.mgrid[0:64, 0:64] / 63
    ground = numpy.stack([120 + 90 * down, 150 + 60 * across, 230 - 80 * down], -1)
    ground += numpy.random.default_rng(0).normal(0, 1.5, ground.shape)
    ground[[0, 1, -1, -2]] *= 0.6
    ground[:, [0, 1, -1, -2]] *= 0.6
    behind = Image.fromarray(ground.clip(0, 255).astype(numpy.uint8))
    mask = mask_of(Image.composite(Image.new("RGB", (64, 64), (200, 30, 30)), behind, shares()))
    assert away(mask, shares()) <= 30


def test_tolerance_says_how_alike_a_colour_may_be() -> None:
    pale = disc((255, 255, 255), (244, 238, 236))
    assert mask_of(pale, tolerance=12).getextrema() == (0, 0)
    assert mask_of(pale, tolerance=3).getpixel((32, 32)) == 255


def test_what_is_transparent_already_is_background() -> None:
    image = disc((255, 255, 255)).convert("RGBA")
    image.putalpha(Image.composite(Image.new("L", (64, 64), 0), Image.new("L", (64, 64), 255), shares(hole=False)))
    clear = numpy.asarray(shares()) == 255
    assert not numpy.asarray(mask_of(image))[clear].any()


def test_feather_softens() -> None:
    hard, soft = mask_of(disc((255, 255, 255))), mask_of(disc((255, 255, 255)), feather=8)
    assert len(set(soft.tobytes())) > 3 * len(set(hard.tobytes())) and soft.getpixel((32, 32)) == 255


@pytest.mark.parametrize("ground", [(255, 255, 255), (40, 170, 80)])
def test_before_another_colour_there_is_no_halo(ground: tuple[int, int, int]) -> None:
    image = disc(ground)
    seen = cut_out(image, mask_of(image), Background(colour="#101060"))
    assert seen.mode == "RGB" and away(seen, disc((16, 16, 96))) <= 14
    naive = Image.composite(image, Image.new("RGB", image.size, (16, 16, 96)), shares())
    assert away(naive, disc((16, 16, 96))) > 40


def test_transparent_or_before_a_picture_or_the_mask_alone() -> None:
    image = disc((255, 255, 255))
    mask = mask_of(image)
    clear = cut_out(image, mask, Background())
    assert clear.mode == "RGBA" and clear.getchannel("A").tobytes() == mask.tobytes()
    assert clear.getpixel((32, 32))[:3] == image.getpixel((32, 32))
    assert cut_out(image, mask, Background(mask_only=True)).tobytes() == mask.tobytes()
    behind = BytesIO()
    Image.new("RGB", (200, 100), (0, 90, 0)).save(behind, "PNG")
    placed = cut_out(image, mask, Background(image=behind.getvalue()))
    assert (placed.size, placed.getpixel((2, 2)), placed.getpixel((32, 32))) == ((64, 64), (0, 90, 0), (220, 60, 20))
    with pytest.raises(BadValue, match=r"background\.image"):
        cut_out(image, mask, Background(image=b"no picture"))


def test_a_mask_of_all_or_nothing_leaves_colours_alone() -> None:
    image = disc((255, 255, 255))
    whole = cut_out(image, Image.new("L", image.size, 255), Background(colour="#000000"))
    assert whole.tobytes() == image.tobytes()
    nothing = cut_out(image, Image.new("L", image.size, 0), Background(colour="#102030"))
    assert nothing.getcolors() == [(64 * 64, (16, 32, 48))]


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.randoms(use_true_random=False))
def test_flooding_is_what_a_walk_from_the_border_reaches(high: int, wide: int, chance: object) -> None:
    places = numpy.array([[chance.random() < 0.6 for _ in range(wide)] for _ in range(high)])  # type: ignore[attr-defined]
    reached = numpy.zeros_like(places)
    edge = [(row, column) for row in range(high) for column in range(wide)]
    todo = [(r, c) for r, c in edge if places[r, c] and (r in (0, high - 1) or c in (0, wide - 1))]
    while todo:
        row, column = todo.pop()
        if not reached[row, column]:
            reached[row, column] = True
            near = [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
            todo += [(r, c) for r, c in near if 0 <= r < high and 0 <= c < wide and places[r, c]]
    assert (flooded(places) == reached).all()


def test_known_colours_stay_and_unknown_ones_are_between_them() -> None:
    rng = numpy.random.default_rng(1)
    values = rng.uniform(50, 200, (33, 20, 3)).astype(numpy.float32)
    weights = (rng.random((33, 20)) < 0.2).astype(numpy.float32)
    filled = spread(values, weights)
    known = weights == 1
    assert numpy.allclose(filled[known], values[known], atol=1e-3)
    assert filled.min() >= values[known].min() - 0.1 and filled.max() <= values[known].max() + 0.1
    assert (spread(values, numpy.zeros_like(weights)) == values).all()


def red_scene() -> Image.Image:
    """Return a picture whose right half is red, of which the networks below take that for what is shown."""
    image = Image.new("RGB", (40, 24), (0, 255, 255))
    image.paste((255, 0, 0), (20, 0, 40, 24))
    return image


@pytest.mark.parametrize(
    "name", ["u2net", "u2netp", "silueta", "isnet-general-use", "isnet-anime", "bria-rmbg", "RMBG-1.4"]
)
def test_a_network_of_a_file_says_what_is_shown(tmp_path: Path, name: str) -> None:
    write_red_finder(tmp_path / f"rembg/{name}.onnx")
    readers = readers_of(tmp_path)
    mask = mask_of(red_scene(), name, readers=readers)
    assert (mask.mode, mask.size) == ("L", (40, 24))
    assert mask.getpixel((3, 12)) <= 5 and mask.getpixel((36, 12)) >= 250
    assert all_backgrounds(readers.library) == [FLAT, name]


def test_logits_become_shares_and_a_picture_of_nothing_stays_nothing(tmp_path: Path) -> None:
    write_red_finder(tmp_path / "background/BiRefNet-general-epoch_244.onnx", scale=30.0)
    readers = readers_of(tmp_path)
    mask = mask_of(red_scene(), "birefnet-general-epoch_244", readers=readers)
    assert mask.getpixel((3, 12)) <= 5 and mask.getpixel((36, 12)) >= 250
    assert mask_of(Image.new("RGB", (40, 24)), "birefnet-general-epoch_244", readers=readers).getextrema() == (0, 0)


def test_a_file_without_a_size_is_fed_at_the_published_one(tmp_path: Path) -> None:
    write_red_finder(tmp_path / "u2net/u2netp.onnx", "any")
    assert mask_of(red_scene(), "u2netp", readers=readers_of(tmp_path)).getpixel((36, 12)) >= 250
    assert {look.side for look in LOOKS.values()} == {320, 1024}


def test_what_cannot_be_is_one_line(tmp_path: Path) -> None:
    readers = readers_of(tmp_path)
    for keeper in (readers, None):
        with pytest.raises(UnknownName, match="background remover 'u3net' is not known"):
            mask_of(red_scene(), "u3net", readers=keeper)
        with pytest.raises(
            Unsupported, match=r"'U2Net' is not there; `easel models download https\S+/u2net\.onnx --kind"
        ):
            mask_of(red_scene(), "U2Net", readers=keeper)
    write_red_finder(tmp_path / "rembg/mystery.onnx")
    readers.library.refresh()  # type: ignore[union-attr]
    with pytest.raises(Unsupported, match="begins with none of u2net, silueta"):
        mask_of(red_scene(), "mystery", readers=readers)
    write_red_finder(tmp_path / "rembg/u2net.onnx", side=0)
    with pytest.raises((Mismatch, ValueError)):
        mask_of(red_scene(), "u2net", readers=readers)
    for field, value in (("tolerance", -1), ("feather", 65)):
        with pytest.raises(BadValue, match=f"background.{field} is {value}"):
            mask_of(red_scene(), **{field: value})  # type: ignore[arg-type]


def test_without_onnxruntime_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_red_finder(tmp_path / "rembg/u2net.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(Unsupported, match=r"pip install 'easel\[control\]'"):
        mask_of(red_scene(), "u2net", readers=readers_of(tmp_path))


@pytest.mark.parametrize("name", GETS)
def test_every_published_remover_is_fed_as_its_name_says(name: str) -> None:
    assert any(fnmatch(name.replace("_", "-"), pattern) for pattern in LOOKS)
