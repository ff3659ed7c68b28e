"""Controls and image prompts in infotext: there and back, A1111's own texts, and what is told of lost pictures."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from easel.core.control import Control, ImagePrompt
from easel.core.errors import BadValue, RequestError
from easel.core.request import Request
from easel.prompt.infotext import Infotext, read, write
from easel.prompt.recall import recall
from easel.prompt.units import control_text, parts_of, prompt_text, units_of

SHARE = st.floats(0, 1)
WEIGHT = st.floats(0, 2)
NAME = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "Zs")), min_size=1, max_size=20).filter(
    lambda name: name == name.strip() and "]" not in name and name != "None" and ": " not in name
)
OPTIONS = {
    "canny": ["low", "high", "sigma"],
    "scribble_xdog": ["threshold", "k"],
    "tile_resample": ["rate"],
    "lineart": ["sigma", "threshold"],
    "reference_only": ["fidelity"],
    "none": [],
    "inpaint_only": [],
    "depth-midas": [],
}


def ranged(draw: st.DrawFn) -> dict[str, Any]:
    start, end = sorted((draw(SHARE), draw(SHARE)))
    passes = draw(st.sampled_from(["both", "first", "second"]))
    return {"weight": draw(WEIGHT), "start": start, "end": end, "passes": passes}


@st.composite
def controls(draw: st.DrawFn) -> Control:
    module = draw(st.sampled_from([*OPTIONS]))
    return Control(
        image=draw(st.none() | st.just(b"image")),
        preprocessor=module,
        options={name: draw(st.floats(-50, 50)) for name in OPTIONS[module] if draw(st.booleans())},
        resolution=draw(st.none() | st.integers(8, 4096)),
        pixel_perfect=draw(st.booleans()),
        mask=draw(st.none() | st.just(b"mask")),
        model=draw(st.none() | NAME),
        kind=draw(st.sampled_from(["", "depth", "openpose"])),
        blocks=tuple(draw(st.lists(WEIGHT, max_size=13))),
        mode=draw(st.sampled_from(["balanced", "prompt", "control"])),
        resize=draw(st.sampled_from(["just resize", "crop and resize", "resize and fill"])),
        region=draw(st.none() | st.just(b"region")),
        **ranged(draw),
    )


@st.composite
def prompts(draw: st.DrawFn) -> ImagePrompt:
    images = draw(st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=3))
    return ImagePrompt(
        images=tuple(images),
        model=draw(NAME),
        reader=draw(st.none() | NAME),
        weights=draw(st.just(()) | st.tuples(*[WEIGHT] * len(images))),
        combine=draw(st.sampled_from(["beside", "average"])),
        region=draw(st.none() | st.just(b"region")),
        **ranged(draw),
    )


@settings(max_examples=60)
@given(st.lists(controls(), max_size=3), st.lists(prompts(), max_size=2))
def test_what_led_a_picture_comes_back_with_the_pictures_that_are_asked_for(
    led: list[Control], prompted: list[ImagePrompt]
) -> None:
    request = Request(prompt="a fox", seed=1, steps=3, controls=tuple(led), image_prompts=tuple(prompted))
    said: dict[str, Any] = {"Steps": 3, "Seed": 1, "RNG": "CPU", "Version": "Easel 1"}
    said |= {f"ControlNet {n}": control_text(one, one.model and f"{one.model} [0123abcd]") for n, one in enumerate(led)}
    said |= {f"Image prompt {n}": prompt_text(one) for n, one in enumerate(prompted)}
    found = recall(read(write("a fox", "", said)))
    assert found.ignored == {} and found.request(pictures=pictures_of(request)) == request
    assert set(found.needs) == set(pictures_of(request))
    for place in found.needs:
        others = {name: file for name, file in pictures_of(request).items() if name != place}
        with pytest.raises(BadValue, match=place.replace(".", r"\.")):
            found.request(pictures=others)


def pictures_of(request: Request) -> dict[str, bytes]:
    """Return the pictures that a request was made with besides its start, by place."""
    found: dict[str, bytes | None] = {}
    for number, one in enumerate(request.controls):
        found |= {f"controls.{number}.{name}": getattr(one, name) for name in ("image", "mask", "region")}
    for number, prompt in enumerate(request.image_prompts):
        found |= {f"image_prompts.{number}.images.{place}": file for place, file in enumerate(prompt.images)}
        found[f"image_prompts.{number}.region"] = prompt.region
    return {place: file for place, file in found.items() if file is not None}


def test_thresholds_are_told_where_a1111_has_them_and_other_options_by_name() -> None:
    usual = {"low": 100.0, "high": 200.0, "sigma": 0.0}
    text = control_text(Control(preprocessor="canny", options={"low": 50.0, "sigma": 2.0}, model="edges"), usual=usual)
    assert "Threshold A: 50, Threshold B: 200, Option sigma: 2, " in text
    lines = control_text(Control(preprocessor="lineart", options={"sigma": 2.0}), usual={"sigma": 6.0})
    assert "Option sigma: 2, " in lines and "Threshold" not in lines
    assert "Threshold A: 32, " in control_text(Control(preprocessor="scribble_xdog"), usual={"threshold": 16.0})


NEW = (
    "Module: canny, Model: control_v11p_sd15_canny [d14c016b], Weight: 1.0, Resize Mode: Crop and Resize, "
    "Processor Res: 512, Threshold A: 100.0, Threshold B: 200.0, Guidance Start: 0.0, Guidance End: 1.0, "
    "Pixel Perfect: False, Control Mode: Balanced"
)
OLD = (
    "preprocessor: canny, model: control_v11p_sd15_canny [d14c016b], weight: 1, starting/ending: (0, 1), "
    "resize mode: Crop and Resize, pixel perfect: False, control mode: Balanced, "
    "preprocessor params: (512, 100, 200)"
)
CANNY = Control(
    image=b"fox",
    preprocessor="canny",
    options={"low": 100, "high": 200},
    resolution=512,
    model="control_v11p_sd15_canny",
)


@pytest.mark.parametrize("text", [NEW, OLD])
def test_texts_of_a1111_s_extension(text: str) -> None:
    found = recall(read(f'a fox\nSteps: 20, Sampler: Euler, Seed: 1, ControlNet 0: "{text}", Version: v1.10.1'))
    assert found.needs == ("controls.0.image",) and found.ignored == {}
    assert found.request(pictures={"controls.0.image": b"fox"}).controls == (CANNY,)


def test_an_ip_adapter_of_a1111_is_an_image_prompt() -> None:
    text = "Module: ip-adapter-auto, Model: ip-adapter_sd15 [6a3f6166], Weight: 0.5, Guidance End: 0.7"
    found = units_of({"ControlNet 0": NEW, "ControlNet 1": text})
    assert [unit["model"] for unit in found.controls] == ["control_v11p_sd15_canny"]
    assert found.image_prompts == [{"model": "ip-adapter_sd15", "weight": 0.5, "end": 0.7}]
    assert found.needs == ["controls.0.image", "image_prompts.0.images.0"]


def test_a_resolution_that_a1111_passes_over_asks_for_nothing() -> None:
    found = units_of({"ControlNet 0": NEW.replace("Module: canny", "Module: none")})
    assert "resolution" not in found.controls[0] and "options" not in found.controls[0]


def test_units_keep_the_order_of_their_numbers() -> None:
    said = {f"ControlNet {number}": NEW.replace("Weight: 1.0", f"Weight: 0.{number}") for number in (10, 2, 0)}
    assert [unit["weight"] for unit in units_of(said).controls] == [0.0, 0.2, 0.10]


def test_pictures_too_many_are_told() -> None:
    found = recall(read(f'a fox\nSteps: 20, Seed: 1, RNG: CPU, ControlNet 0: "{NEW}"'))
    given = {"controls.0.image": b"fox", "controls.1.image": b"owl"}
    with pytest.raises(BadValue, match=r"picture controls\.1\.image is '3 bytes', allowed is none"):
        found.request(pictures=given)
    assert not any(name in found.fields["controls"][0] for name in ("image", "mask", "region"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Weight: much", "infotext \"ControlNet 0\" weight is 'much'"),
        ("Weight: 9", 'infotext "ControlNet 0" weight is 9.0, allowed is at most 2'),
        ("Control Mode: Loud", "infotext \"ControlNet 0\" control mode is 'Loud'"),
        ("Resize Mode: Melt", 'infotext "ControlNet 0" resize mode'),
        ("Guidance Start: 1, Guidance End: 0", 'infotext "ControlNet 0"'),
        ("Processor Res: 1e999", 'infotext "ControlNet 0" processor res'),
        ("Module: ip-adapter-auto, Weight: 1", 'infotext "ControlNet 0"'),
    ],
)
def test_nonsense_is_named(text: str, told: str) -> None:
    with pytest.raises(BadValue) as caught:
        recall(read(f'a fox\nSteps: 20, Seed: 1, RNG: CPU, ControlNet 0: "{text}"'))
    assert told in caught.value.message and "\n" not in caught.value.message


@given(st.text(max_size=80), st.text(max_size=40))
def test_any_unit_is_read_or_refused_in_one_line(text: str, prompt: str) -> None:
    assert isinstance(parts_of(text), dict)
    try:
        recall(Infotext("a fox", "", {"ControlNet 0": text or " ", "Image prompt 0": prompt or " "}))
    except RequestError as error:
        assert "\n" not in error.message
