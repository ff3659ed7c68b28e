"""Clients of ControlNet, ADetailer and extras over a real engine with the embedded model and its companions."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Generator
from typing import Any

import httpx2
import pytest
from PIL import Image, ImageChops, ImageDraw

from easel.app import open_client
from easel.core.client import Done
from easel.core.control import Control
from easel.core.request import Request
from easel.core.settings import Settings
from easel.engine.local import LocalClient
from easel.media.hints import hint_of
from easel.media.metadata import encode
from easel.prompt.infotext import read
from easel.prompt.recall import recall
from tests.api.dialects import Served, serving

SIZE = (64, 64)
DRAWING = {
    "prompt": "a red ball",
    "seed": 11,
    "steps": 2,
    "cfg_scale": 4,
    "width": 64,
    "height": 64,
    "override_settings": {"randn_source": "CPU"},
}


@pytest.fixture(scope="module")
def engine() -> LocalClient:
    """An engine with the embedded model, which the server closes."""
    return open_client(Settings(precision="float32"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, engine: LocalClient) -> Generator[Served]:
    """A server over that engine."""
    with serving(tmp_path_factory.mktemp("drawn"), engine, check=engine.check) as found:
        yield found


def ball() -> Image.Image:
    """Return a red ball on a flat ground."""
    image = Image.new("RGB", SIZE, (90, 160, 220))
    ImageDraw.Draw(image).ellipse((16, 12, 48, 44), fill=(210, 40, 40), outline=(60, 0, 0))
    return image


def sent(image: Image.Image, infotext: str = "") -> str:
    return base64.b64encode(encode(image, infotext)).decode()


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def equal(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getbbox() is None


def post(served: Served, path: str, body: dict[str, Any]) -> Any:
    answer = httpx2.post(f"{served.url}{path}", json=body, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_unit_leads_the_drawing_and_shows_its_hint(served: Served, engine: LocalClient) -> None:
    listed = httpx2.get(f"{served.url}/controlnet/control_types").json()["control_types"]["Canny"]
    model = next(name for name in listed["model_list"] if name.startswith("starter-edges"))
    unit = {"module": listed["default_option"], "model": model, "image": sent(ball()), "weight": 0.9}
    plain = post(served, "/sdapi/v1/txt2img", DRAWING)
    led = post(served, "/sdapi/v1/txt2img", {**DRAWING, "alwayson_scripts": {"ControlNet": {"args": [unit]}}})
    picture, hint = (opened(text) for text in led["images"])
    assert equal(hint, hint_of(ball(), "canny")) and not equal(picture, opened(plain["images"][0]))
    request = Request(
        prompt="a red ball",
        seed=11,
        steps=2,
        guidance={"scale": 4},
        width=64,
        height=64,
        sampler="Euler",
        schedule="Automatic",
        controls=(Control(image=encode(ball()), preprocessor="canny", model=model.partition(" [")[0], weight=0.9),),
    )
    *_, last = engine.events(engine.submit(request))
    assert isinstance(last, Done) and equal(picture, last.result.pictures[0].image)
    found = recall(read(json.loads(led["info"])["infotexts"][0]))
    assert found.needs == ("controls.0.image",) and found.ignored == {}
    again = found.request(pictures={"controls.0.image": encode(ball())})
    assert again.controls[0].changed(options={}) == request.controls[0]


def test_several_units_lead_both_passes(served: Served) -> None:
    low = {"module": "canny", "model": "starter-edges", "image": sent(ball()), "hr_option": "Low res only"}
    high = {**low, "hr_option": "High res only", "control_mode": 1, "guidance_end": 0.5}
    drawn = {"module": "none", "model": "starter-edges", "image": sent(hint_of(ball(), "canny")), "weight": 0.3}
    reference = {"module": "reference_only", "model": "None", "image": sent(ball()), "control_mode": "Balanced"}
    larger = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Lanczos", "denoising_strength": 0.5}
    units = {"ControlNet": {"args": [low, high, drawn, reference]}}
    answer = post(served, "/sdapi/v1/txt2img", {**DRAWING, **larger, "alwayson_scripts": units})
    assert [opened(text).size for text in answer["images"]] == [(96, 96), SIZE, SIZE, SIZE]
    said = read(json.loads(answer["info"])["infotexts"][0]).fields
    assert [name for name in said if name.startswith("ControlNet")] == [f"ControlNet {place}" for place in range(4)]
    found = recall(read(json.loads(answer["info"])["infotexts"][0]))
    assert [one["passes"] for one in found.fields["controls"] if "passes" in one] == ["first", "second"]
    assert len(found.needs) == 4


def test_a_unit_of_no_weight_changes_nothing(served: Served) -> None:
    unit = {"module": "canny", "model": "starter-edges", "image": sent(ball()), "weight": 0, "save_detected_map": False}
    led = post(served, "/sdapi/v1/txt2img", {**DRAWING, "alwayson_scripts": {"ControlNet": {"args": [unit]}}})
    assert equal(opened(led["images"][0]), opened(post(served, "/sdapi/v1/txt2img", DRAWING)["images"][0]))


def test_regions_of_a_picture_are_worked_over_and_the_rest_stays(served: Served) -> None:
    tab = {
        "ad_model": "words: ball",
        "ad_use_steps": True,
        "ad_steps": 2,
        "ad_mask_blur": 0,
        "ad_denoising_strength": 1,
    }
    body = {**DRAWING, "init_images": [sent(ball())], "alwayson_scripts": {"ADetailer": {"args": [True, True, tab]}}}
    answer = post(served, "/sdapi/v1/img2img", body)
    picture = opened(answer["images"][0])
    said = read(json.loads(answer["info"])["infotexts"][0])
    assert picture.size == SIZE and said.fields["ADetailer model"] == "words: ball"
    changed = ImageChops.difference(picture.convert("RGB"), ball()).getbbox()
    assert changed is None or changed != (0, 0, *SIZE)


def test_extras_enlarge_by_the_companion_and_keep_what_the_picture_says(served: Served) -> None:
    names = [one["name"] for one in httpx2.get(f"{served.url}/sdapi/v1/upscalers").json()]
    assert "starter-x4" in names
    text = "a ball\nSteps: 4, Sampler: Euler, Seed: 3, Size: 64x64"
    ask = {"image": sent(ball(), text), "upscaler_1": "starter-x4", "upscaling_resize": 2}
    large = opened(post(served, "/sdapi/v1/extra-single-image", ask)["image"])
    assert large.size == (128, 128)
    told = post(served, "/sdapi/v1/png-info", {"image": sent(large, large.info["parameters"])})
    assert told["parameters"]["Prompt"] == "a ball" and told["parameters"]["Postprocess upscaler"] == "starter-x4"
    ask = {"image": sent(ball()), "upscaler_1": "Nearest", "upscaling_resize": 1.5}
    assert equal(
        opened(post(served, "/sdapi/v1/extra-single-image", ask)["image"]),
        ball().resize((96, 96), Image.Resampling.NEAREST),
    )
    ask |= {"resize_mode": 1, "upscaling_resize_w": 100, "upscaling_resize_h": 80}
    assert opened(post(served, "/sdapi/v1/extra-single-image", ask)["image"]).size == (100, 80)
    assert opened(post(served, "/sdapi/v1/extra-single-image", {**ask, "upscaling_crop": False})["image"]).size == (
        100,
        100,
    )


def test_a_background_goes_without_a_file(served: Served) -> None:
    cut = opened(post(served, "/rembg", {"input_image": sent(ball()), "model": "flat"})["image"])
    assert cut.mode == "RGBA" and cut.getpixel((2, 2))[3] == 0 and cut.getpixel((32, 28))[3] == 255


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("txt2img", {"restore_faces": True}, "CodeFormer"),
        ("extra-single-image", {"image": sent(Image.new("RGB", (8, 8))), "gfpgan_visibility": 1}, "GFPGAN"),
        ("txt2img", {"alwayson_scripts": {"ControlNet": {"args": [{"model": "starter-edges"}]}}}, "ControlNet 0 image"),
        (
            "img2img",
            {
                "init_images": [sent(Image.new("RGB", (8, 8)))],
                "alwayson_scripts": {"ControlNet": {"args": [{"module": "depth_midas", "model": "starter-edges"}]}},
            },
            "easel models download",
        ),
    ],
)
def test_what_cannot_run_is_refused_before_it_is_queued(
    served: Served, path: str, body: dict[str, Any], told: str
) -> None:
    before = len(served.store.list())
    answer = httpx2.post(f"{served.url}/sdapi/v1/{path}", json=body)
    assert answer.status_code == 422 and told in answer.json()["detail"], answer.text
    assert len(served.store.list()) == before
