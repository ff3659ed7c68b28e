"""What an infotext says of ControlNet and ADetailer, given back to /txt2img and /img2img."""

from __future__ import annotations

import base64

import pytest

from easel.api.a1111.chosen import asked
from easel.api.a1111.infotexts import filled
from easel.api.a1111.wire import ImageToImage, TextToImage
from easel.core.control import Control
from easel.core.errors import RequestError
from tests.api.a1111.bodies import picture

UNIT = (
    "Module: canny, Model: edges [d14c016b], Weight: 0.8, Resize Mode: Resize and Fill, Processor Res: 512, "
    "Threshold A: 50.0, Threshold B: 150.0, Guidance Start: 0.1, Guidance End: 0.9, Pixel Perfect: True, "
    "Control Mode: My prompt is more important, Hr Option: Both"
)
SAID = f'a fox\nSteps: 5, Sampler: Euler, Seed: 3, Size: 64x64, ControlNet 0: "{UNIT}"'
DETAILS = (
    "a fox\nSteps: 5, Sampler: Euler, Seed: 3, Size: 64x64, ADetailer model: face_yolov8n.pt, "
    'ADetailer prompt: "a smile, big", ADetailer mask only top k: 2, ADetailer steps: 9, '
    "ADetailer inpaint padding: 16, ADetailer inpaint width: 256, ADetailer inpaint height: 256, "
    "ADetailer model 2nd: words: left hand, ADetailer version: 24.9.0"
)


def test_a_unit_takes_the_picture_that_its_call_begins_from() -> None:
    wire = filled(ImageToImage(infotext=SAID, init_images=[picture()]))
    (found,) = asked(wire).requests[0].controls
    assert found == Control(
        preprocessor="canny",
        options={"low": 50, "high": 150},
        resolution=512,
        pixel_perfect=True,
        model="edges",
        weight=0.8,
        start=0.1,
        end=0.9,
        mode="prompt",
        resize="resize and fill",
    )


def test_a_unit_whose_picture_is_lost_is_told() -> None:
    with pytest.raises(RequestError, match="ControlNet 0 image is None"):
        asked(filled(TextToImage(infotext=SAID)))


def test_a_body_s_own_units_stand_for_those_of_the_infotext() -> None:
    own = {"controlnet": {"args": [{"module": "none", "model": "depth", "image": picture()}]}}
    (found,) = asked(filled(TextToImage(infotext=SAID, alwayson_scripts=own))).requests[0].controls
    assert (found.model, found.image) == ("depth", base64.b64decode(picture()))
    none = {"ControlNet": {"args": []}}
    assert asked(filled(TextToImage(infotext=SAID, alwayson_scripts=none))).requests[0].controls == ()


def test_an_image_prompt_whose_pictures_are_lost_is_told() -> None:
    said = 'a fox\nSteps: 5, Sampler: Euler, Seed: 3, Image prompt 0: "Model: adapter, Weight: 0.5, Guidance End: 0.7"'
    with pytest.raises(RequestError, match="ControlNet 0 image is None"):
        asked(filled(TextToImage(infotext=said)))
    (found,) = asked(filled(ImageToImage(infotext=said, init_images=[picture()]))).requests[0].image_prompts
    assert (found.model, found.weight, found.end) == ("adapter", 0.5, 0.7)


def test_details_come_back() -> None:
    first, second = asked(filled(TextToImage(infotext=DETAILS))).requests[0].details
    assert (first.by, first.find, first.prompt, first.most, first.order) == (
        "model", "face_yolov8n", "a smile, big", 2, "area",
    )  # fmt: skip
    assert (first.steps, first.padding, first.width, first.height) == (9, 16, 256, 256)
    assert (second.by, second.find, second.steps) == ("words", "left hand", None)
    none = {"ADetailer": {"args": [False]}}
    assert asked(filled(TextToImage(infotext=DETAILS, alwayson_scripts=none))).requests[0].details == ()


def test_an_option_that_no_unit_has_is_told() -> None:
    said = SAID.replace("Threshold A: 50.0", "Option sigma: 2")
    with pytest.raises(RequestError, match="option sigma"):
        filled(ImageToImage(infotext=said, init_images=[picture()]))
