"""Tiled upscaling: where tiles lie and how they melt, their seeds, and what is refused before anything runs."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from PIL import Image

from easel.core.errors import BadValue, Unsupported
from easel.core.pictures import Start, Tiles
from easel.core.request import Request
from easel.core.work import Decode, EncodeImages, Evaluate
from easel.media.reading import png_bytes
from easel.models.family import Model
from easel.prompt import infotext
from easel.recipes import recipes
from easel.recipes.common import check
from easel.recipes.tiles import edges, grid_of
from tests.recipes.telling import ask, close_at_every_yield, told


def picture(width: int = 64, height: int = 48) -> Image.Image:
    """A picture without two places alike."""
    rows, columns = numpy.indices((height, width))
    levels = numpy.stack([columns * 255 // width, rows * 255 // height, (rows * columns) % 256], axis=-1)
    return Image.fromarray(levels.astype(numpy.uint8))


def upscaling(image: Image.Image | None = None, *, strength: float = 0.5, **tiles: Any) -> Request:
    start = Start(image=png_bytes(image or picture()), strength=strength)
    fields = {"scale": 2.0, "overlap": 16, **tiles}
    return ask(recipe="tiled_upscale", start=start, tiles=Tiles(**fields))


def difference(a: Image.Image, b: Image.Image) -> int:
    return int(numpy.abs(numpy.asarray(a).astype(int) - numpy.asarray(b).astype(int)).max())


@pytest.mark.parametrize(
    ("whole", "tile", "overlap", "expected"),
    [
        (1024, 512, 64, (0, 256, 512)),  # A1111: ceil(960 / 448) = 3
        (960, 512, 64, (0, 448)),
        (512, 512, 64, (0,)),
        (1000, 512, 64, (0, 244, 488)),
        (129, 64, 0, (0, 32, 65)),
        (128, 64, 0, (0, 64)),
        (100, 104, 64, (0,)),
    ],
)
def test_edges_are_a1111_s(whole: int, tile: int, overlap: int, expected: tuple[int, ...]) -> None:
    assert edges(whole, tile, overlap) == expected


@pytest.mark.parametrize("size", [(128, 96), (127, 95), (65, 200), (30, 30), (64, 64), (7, 9), (1, 1)])
@pytest.mark.parametrize("overlap", [0, 8, 48])
def test_cut_and_joined_again_is_the_same_picture(size: tuple[int, int], overlap: int) -> None:
    whole = picture(*size)
    grid = grid_of(Tiles(overlap=overlap), size, (64, 64))
    tiles = grid.cut(whole)
    assert len(tiles) == len(grid)
    assert {tile.size for tile in tiles} == {grid.tile}
    assert difference(grid.joined(tiles), whole) <= 1


def test_tiles_melt_without_a_step() -> None:
    """Two tiles of unlike greys: from one to the other in even steps over the overlap."""
    grid = grid_of(Tiles(overlap=32), (96, 64), (64, 64))
    assert grid.columns == (0, 32)
    joined = grid.joined([Image.new("RGB", (64, 64), (level,) * 3) for level in (0, 255)])
    row = numpy.asarray(joined)[0, :, 0].astype(int)
    assert set(row[:33]) == {0}
    assert set(row[64:]) == {255}
    assert numpy.abs(numpy.diff(row)).max() <= 9


def test_the_story(tiny: Model) -> None:
    """128 x 96 in tiles of 64 with 16 in common: 3 x 2, all of them rows of the same forwards."""
    works, (found,) = told(upscaling(), tiny)
    assert found.image.size == (128, 96)
    evaluations = [work for work in works if isinstance(work, Evaluate)]
    assert [work.rows for work in evaluations] == [12] * 3
    assert [work.rows for work in works if isinstance(work, EncodeImages | Decode)] == [6, 6]
    assert [work.progress.step for work in evaluations if work.progress] == [0, 1, 2]
    fields = infotext.read(found.infotext).fields
    assert (fields["SD upscale overlap"], fields["SD upscale upscaler"]) == ("16", "Lanczos")
    assert (fields["Denoising strength"], fields["Size"]) == ("0.5", "64x64")


@pytest.mark.parametrize(("size", "scale"), [((33, 47), 2.0), ((100, 20), 1.5), ((20, 20), 1.0), ((1, 1), 8.0)])
def test_the_result_is_exactly_scale_times_the_size(tiny: Model, size: tuple[int, int], scale: float) -> None:
    _, (found,) = told(upscaling(picture(*size), scale=scale), tiny)
    assert found.image.size == (int(size[0] * scale), int(size[1] * scale))


def test_every_tile_is_the_picture_of_its_seed(tiny: Model) -> None:
    """Tile i is what image to image makes of it with seed + i."""
    _, (found,) = told(upscaling(overlap=0), tiny)
    large = picture().resize((128, 96), Image.Resampling.LANCZOS)
    for place, (x, y) in enumerate([(0, 0), (64, 0), (0, 32), (64, 32)]):
        start = Start(image=png_bytes(large.crop((x, y, x + 64, y + 64))), strength=0.5)
        _, (alone,) = told(ask(recipe="image_to_image", start=start, seed=3 + place), tiny)
        height = 64 if y else 32  # the lower row is laid over the upper
        shown = found.image.crop((x, y, x + 64, y + height))
        assert difference(alone.image.crop((0, 0, 64, height)), shown) <= 1


def test_groups_of_tiles_make_the_same_picture(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    _, (together,) = told(upscaling(), tiny)
    monkeypatch.setattr("easel.recipes.tiled_upscale.TILES_AT_ONCE", 4)
    works, (grouped,) = told(upscaling(), tiny)
    assert difference(together.image, grouped.image) <= 1
    steps = [(w.progress.step, w.progress.steps) for w in works if isinstance(w, Evaluate) and w.progress]
    assert steps == [(step, 6) for step in range(6)]


def test_picture_i_of_a_batch_is_the_picture_made_alone(tiny: Model) -> None:
    request = upscaling().model_copy(update={"batch_size": 2})
    _, batch = told(request, tiny)
    for i, one in enumerate(batch):
        _, (alone,) = told(request.one(i), tiny)
        assert difference(one.image, alone.image) <= 1
        assert one.seed == alone.seed == 3 + i


def test_little_strength_keeps_the_picture_more(tiny: Model) -> None:
    """The tiny model's pictures are noise, so all that can be told is how far from each other they are."""
    weak, weaker, strong = (told(upscaling(strength=s), tiny)[1][0].image for s in (0.05, 0.1, 1.0))
    levels = [numpy.asarray(image).astype(float) for image in (weak, weaker, strong)]
    assert numpy.abs(levels[0] - levels[1]).mean() < numpy.abs(levels[0] - levels[2]).mean()


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"tiles": Tiles(upscaler="Latent")}, Unsupported, "enlarges latents, tiled upscaling needs one of pictures"),
        ({"tiles": Tiles(overlap=64)}, BadValue, "tiles.overlap is 64, allowed is less than a tile's side, 64"),
        ({"seamless": "x"}, BadValue, "seamless is 'x', allowed is off"),
        ({"tiles": None}, BadValue, "tiles is None"),
        ({"start": None}, BadValue, "start is None"),
        ({"start": Start(image=b"nothing")}, BadValue, "start.image"),
        ({"start": Start(image=png_bytes(picture()), resize="crop and resize")}, BadValue, "start.resize"),
        ({"start": Start(image=png_bytes(picture(3000, 3000))), "tiles": Tiles(scale=8)}, BadValue, "24000x24000"),
        ({"start": Start(image=png_bytes(picture(2000, 2000)))}, BadValue, "at most 1024 tiles"),
    ],
)
def test_what_can_be_told_without_a_model_is_refused_at_once(
    fields: dict[str, Any], error: type[Exception], words: str
) -> None:
    request = upscaling().model_copy(update=fields)
    with pytest.raises(error, match=words):
        check(request)


def test_too_many_tiles_of_the_model_s_own_size_are_refused_before_it_runs(tiny: Model) -> None:
    request = upscaling(picture(1000, 1000)).model_copy(update={"width": None, "height": None})
    check(request)
    with pytest.raises(BadValue, match="at most 1024 tiles"):
        next(recipes["upscale"].make(request, tiny))


def test_closing_at_every_yield_leaves_nothing_behind(tiny: Model) -> None:
    close_at_every_yield(upscaling(), tiny)
