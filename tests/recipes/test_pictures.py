"""Image prompts in recipes: read once, led by in their share of the steps, in batches with rows of other kinds."""

from __future__ import annotations

from typing import Any

import pytest

from easel.core.control import Control, ImagePrompt
from easel.core.errors import BadValue, Mismatch, UnknownName
from easel.core.passes import Hires
from easel.core.pictures import Start, Tiles
from easel.core.work import Finish, Wanted
from easel.media.reading import png_bytes
from easel.prompt import infotext
from tests.adapters.control.making import write_controlnet
from tests.adapters.pictures.making import image_prompt, picture, write_image_prompt, write_tower
from tests.endtoend.house import House, ask, psnr
from tests.recipes.starting import box_mask, scene
from tests.tiny import write_tiny_sd


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A tiny model, two image prompts of which one is for another model, a picture reader and a ControlNet."""
    folder = tmp_path_factory.mktemp("house")
    write_tiny_sd(folder / "tiny")
    write_tiny_sd(folder / "wide", width=64)
    house = House(folder)
    (folder / "ip_adapter").mkdir()
    for model, name in (("tiny", "plain"), ("wide", "other")):
        unet: Any = house.model(model).parts["unet"]
        write_image_prompt(folder / "ip_adapter" / f"{name}.safetensors", image_prompt("plain", unet))
    write_tower(folder / "clip_vision" / "tiny-h")
    write_controlnet(folder / "controlnet" / "edges", house.model())
    return house


def prompt(*seeds: int, **fields: Any) -> ImagePrompt:
    """Pictures in the place of words."""
    return ImagePrompt(**{"images": tuple(picture(seed) for seed in seeds or (0,)), "model": "plain", **fields})


def test_a_picture_leads_and_no_weight_does_not(house: House) -> None:
    plain, led = house.one(), house.one(image_prompts=(prompt(),))
    other, none = house.one(image_prompts=(prompt(1),)), house.one(image_prompts=(prompt(weight=0.0),))
    assert psnr(plain.latents, led.latents) < 60
    assert psnr(other.latents, led.latents) < 80
    assert none.pictures[0].image.tobytes() == plain.pictures[0].image.tobytes()


def test_it_is_read_once_for_all_pictures_and_steps(house: House) -> None:
    house.one()
    few = sum(isinstance(work, Finish) for work in house.works)
    house.one(batch_size=3, steps=6, image_prompts=(prompt(),))
    assert sum(isinstance(work, Finish) for work in house.works) == few + 2, "the reader found, the pictures read"
    acts = [work.batch.acts for work in house.evaluations()]
    assert all(len(rows) == 6 and all(rows) for rows in acts), "those that lead away have no picture's tokens"
    house.one(steps=8, sampler="Euler", image_prompts=(prompt(start=0.5),))
    assert [bool(work.batch.acts) for work in house.evaluations()] == [False] * 4 + [True] * 4


def test_unlike_requests_share_forwards_and_are_as_each_alone(house: House) -> None:
    unit = Control(image=png_bytes(scene(32, 32)), preprocessor="canny", model="edges")
    reference = Control(image=png_bytes(scene(32, 32)), preprocessor="reference_only")
    requests = [
        ask(image_prompts=(prompt(),)),
        ask(image_prompts=(prompt(1, weight=0.3),), controls=(unit,), seed=4),
        ask(controls=(reference,), image_prompts=(prompt(2),), seed=5),
        ask(seed=6),
    ]
    for order in (requests, requests[::-1]):
        for request, one in zip(order, house.draw(*order), strict=True):
            (alone,) = house.draw(request)
            assert psnr(alone.latents, one.latents) >= 80


def test_passes_and_regions(house: House) -> None:
    hires = Hires(scale=2, steps=2)
    for passes, led in {"first": [True] * 3 + [False] * 2, "second": [False] * 3 + [True] * 2}.items():
        house.one(hires=hires, image_prompts=(prompt(passes=passes),))
        assert [bool(work.batch.acts) for work in house.evaluations()] == led
    left = png_bytes(box_mask((0, 0, 16, 32), (32, 32)))
    start, tiles = Start(image=png_bytes(scene(32, 32)), strength=0.5), Tiles(scale=2, overlap=8, upscaler="Nearest")
    house.one(recipe="tiled_upscale", start=start, tiles=tiles, image_prompts=(prompt(region=left),))
    own = {id(act.prepared) for work in house.evaluations() for row in work.batch.acts for act in row}
    assert len(own) == 18, "nine tiles have a part of the region each, and so have their negatives"


def test_what_infotext_says_and_what_is_refused(house: House) -> None:
    fields = infotext.read(house.one(image_prompts=(prompt(weight=0.5),)).infotext).fields
    assert fields["Image prompt 0"] == "Model: plain, Weight: 0.5, Images: 1, Guidance Start: 0, Guidance End: 1"
    with pytest.raises(UnknownName, match="plain"):
        house.one(image_prompts=(prompt(model="plane"),))
    with pytest.raises(Mismatch, match="other"):
        house.one(image_prompts=(prompt(model="other"),))
    with pytest.raises(BadValue, match=r"image_prompts\[0\].region"):
        house.one(image_prompts=(prompt(region=b"x"),))
    with pytest.raises(BadValue, match="weights"):
        house.one(image_prompts=(prompt(weights=(0.0,)),))


def test_a_file_is_read_once(house: House) -> None:
    wanted = Wanted("ip_adapter", "plain")
    assert house.shelf.load(wanted) is house.shelf.load(wanted)
