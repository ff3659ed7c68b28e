"""What every recipe that starts from a picture shares with text to image: refiners, seams, tiles, and company."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from easel.core.passes import Refiner
from easel.core.pictures import Mask, Outpaint
from easel.core.settings import read_settings
from easel.core.work import Decode, EncodeImages, Evaluate
from easel.engine.runner import performer
from easel.media.reading import png_bytes
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from easel.prompt import infotext
from tests.recipes.starting import box_mask, own_size, start
from tests.recipes.telling import by_name, told
from tests.tiny import write_tiny_sd

RECIPES: dict[str, dict[str, Any]] = {
    "image_to_image": {},
    "inpaint": {"mask": Mask(image=png_bytes(box_mask((16, 24, 40, 48))))},
    "outpaint": {"outpaint": Outpaint(right=16, reach=8)},
}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A second tiny model."""
    folder: Path = write_tiny_sd(tmp_path_factory.mktemp("models") / "other", seed=1)
    return load(identify(folder), read_settings(precision="float32"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_refiner_takes_over(tiny: Model, other: Model, recipe: str) -> None:
    request = own_size(recipe=recipe, start=start(), steps=8, refiner=Refiner(model="other", switch_at=0.7))
    works, (picture,) = told(request.model_copy(update=RECIPES[recipe]), tiny, performer(by_name({"other": other})))
    leaders = [work.model is other for work in works if isinstance(work, Evaluate)]
    assert {True, False} == set(leaders) and not leaders[0] and leaders[-1]
    assert infotext.read(picture.infotext).fields["Refiner"] == "other"


@pytest.mark.parametrize("recipe", RECIPES)
def test_seams_are_worn_by_every_forward(tiny: Model, recipe: str) -> None:
    request = own_size(recipe=recipe, start=start(), seamless="x", preview_every=1, **RECIPES[recipe])
    works, _ = told(request, tiny)
    worn = [work.worn for work in works if isinstance(work, Evaluate | EncodeImages | Decode)]
    assert len(worn) > 4 and all(worn)


@pytest.mark.parametrize("recipe", RECIPES)
def test_large_pictures_are_decoded_in_tiles(tiny: Model, recipe: str) -> None:
    works, _ = told(own_size(recipe=recipe, start=start(), tiled_decode=32, **RECIPES[recipe]), tiny)
    assert {work.tile for work in works if isinstance(work, Decode)} == {32}


@pytest.mark.parametrize("recipe", RECIPES)
def test_alone_is_kept(tiny: Model, recipe: str) -> None:
    works, _ = told(own_size(recipe=recipe, start=start(), alone=True, **RECIPES[recipe]), tiny)
    assert all(work.alone for work in works if isinstance(work, Evaluate | EncodeImages | Decode))
