"""Models whose sides are multiples of 16: what nobody asked for by number is rounded, never refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from easel.core.errors import BadValue
from easel.core.passes import Hires, Variation
from easel.core.pictures import Mask, Outpaint, Tiles
from easel.core.request import Request
from easel.core.settings import read_settings
from easel.core.work import Evaluate
from easel.media.reading import png_bytes
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from easel.recipes.common import settle
from easel.recipes.noise import noise_of
from tests.recipes.starting import own_size, scene, start
from tests.recipes.telling import ask, told
from tests.tiny_families import write_tiny_flux, write_tiny_sd3

ODD = (72, 40)  # multiples of 8 and not of 16


@pytest.fixture(scope="module", params=[write_tiny_sd3, write_tiny_flux], ids=["sd3", "flux"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = request.param(tmp_path_factory.mktemp("models") / "tiny")
    loaded: Any = load(identify(folder), read_settings(precision="float32"))
    return replace(loaded, defaults=replace(loaded.defaults, width=112, height=96))


def drawn(request: Request, model: Model) -> Image.Image:
    """The first picture, every forward of which was of whole multiples of 16."""
    works, pictures = told(request, model)
    shapes = [work.batch.x.shape for work in works if isinstance(work, Evaluate)]
    assert shapes and all(side % 2 == 0 for shape in shapes for side in shape[-2:])
    return pictures[0].image


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
@pytest.mark.parametrize(
    ("fields", "size"),
    [({"scale": 1.3}, (80, 48)), ({"width": 88}, (80, 64)), ({"width": 72, "height": 72}, (64, 64))],
)
def test_the_second_pass(model: Model, upscaler: str, fields: dict[str, Any], size: tuple[int, int]) -> None:
    asked = ask(width=64, height=48, steps=1, hires=Hires(**fields, steps=1, upscaler=upscaler))
    assert drawn(asked, model).size == size


@pytest.mark.parametrize("resize", ["just resize", "crop and resize", "resize and fill", "latent resize"])
def test_a_start_picture_without_a_size(model: Model, resize: str) -> None:
    begun = start(scene(*ODD), strength=0.5, resize=resize)
    assert drawn(own_size(recipe="image_to_image", start=begun, steps=2), model).size == (64, 32)


@pytest.mark.parametrize("only_masked", [False, True])
def test_a_masked_picture_without_a_size(model: Model, only_masked: bool) -> None:
    white = png_bytes(Image.new("L", ODD, 255))
    mask = Mask(image=white, only_masked=only_masked)
    size = {"width": 64, "height": 64} if only_masked else {}
    asked = own_size(recipe="inpaint", start=start(scene(*ODD)), mask=mask, steps=2, **size)
    assert drawn(asked, model).size == (ODD if only_masked else (64, 32))


@pytest.mark.parametrize("reach", [None, 24])
def test_a_picture_grown_keeps_the_size_that_was_asked_for(model: Model, reach: int | None) -> None:
    grow = Outpaint(right=40, bottom=8, reach=reach)
    asked = own_size(recipe="outpaint", start=start(scene(*ODD)), outpaint=grow, steps=2)
    assert drawn(asked, model).size == (112, 48)


def test_tiles(model: Model) -> None:
    """A picture smaller than a tile has a tile of its own size, filled up."""
    tiles = Tiles(scale=1, overlap=8)
    asked = ask(recipe="tiled_upscale", start=start(scene(*ODD)), tiles=tiles, steps=2)
    assert drawn(asked, model).size == ODD


def test_a_resized_seed(model: Model) -> None:
    """The composition is that of the nearest size below that the model can draw."""
    near, exact = (
        noise_of(settle(ask(seed=5, variation=Variation(resize_from=size)), model), model)[0]
        for size in ((40, 8), (32, 16))
    )
    assert near.equal(exact)


def test_a_size_that_was_asked_for_is_refused(model: Model) -> None:
    with pytest.raises(BadValue, match="width is 72, allowed is a multiple of 16 for this model"):
        told(ask(width=72), model)
