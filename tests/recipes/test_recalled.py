"""What every recipe writes into infotext makes the same picture again, bit for bit."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageDraw

from easel.core.passes import Guidance, Hires, Refiner, Variation, Words
from easel.core.pictures import Mask, Outpaint, Soft, Start, Tiles
from easel.engine.runner import performer
from easel.models.family import Model
from easel.prompt import infotext
from easel.prompt.recall import recall
from tests.recipes.telling import ask, told


def file_of(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def masked() -> Image.Image:
    image = Image.new("L", (64, 64))
    ImageDraw.Draw(image).rectangle((16, 16, 47, 40), fill=255)
    return image


PICTURES = {"start": file_of(Image.effect_noise((64, 64), 80).convert("RGB")), "mask": file_of(masked())}
START, MASK = PICTURES["start"], PICTURES["mask"]


@pytest.mark.parametrize(
    "fields",
    [
        {"sampler": "DPM++ SDE Karras", "sampler_options": {"eta": 0.5, "r": 0.4}, "noise": "NV"},
        {"words": Words(emphasis="No norm", clip_skip=2), "guidance": Guidance(scale=5, rescale=0.3, end=0.8)},
        {"variation": Variation(seed=9, strength=0.3, resize_from=(32, 64)), "seamless": "x", "tiled_decode": 64},
        {"hires": Hires(scale=1.5, sampler="Euler a", sampler_options={"eta": 0.5}, steps=3, prompt="a dog")},
        {"hires": Hires(width=96, strength=0.6, schedule="Karras", schedule_options={"rho": 5.0}, cfg_scale=3)},
        {"refiner": Refiner(model="tiny", switch_at=0.5)},
        {"recipe": "image_to_image", "start": Start(image=START, strength=0.6, all_steps=True, noise_multiplier=1.1)},
        {"recipe": "image_to_image", "start": Start(image=START, resize="latent resize", match_colours=True)},
        {"recipe": "inpaint", "start": Start(image=START), "mask": Mask(image=MASK, blur=0, fill="latent noise")},
        {
            "recipe": "inpaint",
            "start": Start(image=START, extra_noise=0.1),
            "mask": Mask(image=MASK, blur=3.5, only_masked=True, invert=True, padding=8, soft=Soft(contrast=3)),
        },
        {
            "recipe": "outpaint",
            "start": Start(image=START, strength=1),
            "outpaint": Outpaint(right=24, top=8, feather=4),
            "width": None,
            "height": None,
        },
        {"recipe": "tiled_upscale", "start": Start(image=START, strength=0.3), "tiles": Tiles(scale=1.5, overlap=16)},
    ],
    ids=lambda fields: "-".join(fields),
)
def test_a_picture_comes_back_from_its_infotext(tiny: Model, fields: dict[str, Any]) -> None:
    perform = performer(lambda name: tiny)
    _, (picture,) = told(ask(model="tiny", **fields), tiny, perform)
    found = recall(infotext.read(picture.infotext))
    assert found.ignored == {}
    request = found.request(**{name: PICTURES[name] for name in found.needs})
    _, (again,) = told(request, tiny, perform)
    assert again.infotext == picture.infotext
    assert again.image.tobytes() == picture.image.tobytes()
