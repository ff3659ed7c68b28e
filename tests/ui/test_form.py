"""Laws of the form: a request goes through the controls and comes out the same; what is empty is left to the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.errors import BadValue, UnknownName
from easel.core.motion import FRAMES, Motion
from easel.core.passes import Guidance, Hires, Refiner, Variation, Words
from easel.core.request import Request
from easel.core.settings import Settings
from easel.ui.form import from_request, requests_of, to_request

side = st.integers(1, 64).map(lambda cells: cells * 8)
options = st.dictionaries(st.sampled_from(["eta", "s_noise", "a.b"]), st.floats(0, 1), max_size=2)
requests = st.builds(
    Request,
    prompt=st.text(max_size=30),
    negative_prompt=st.text(max_size=30),
    words=st.builds(Words, clip_skip=st.integers(1, 12), emphasis=st.sampled_from(["Original", "None"])),
    sampler=st.none() | st.just("Euler a"),
    sampler_options=options,
    steps=st.none() | st.integers(1, 50),
    guidance=st.builds(Guidance, scale=st.none() | st.floats(0, 30)),
    seed=st.none() | st.integers(0, 2**31),
    variation=st.builds(
        Variation, strength=st.floats(0, 1), resize_from=st.none() | st.tuples(side, side), seed=st.integers(0, 9)
    ),
    width=st.none() | side,
    height=st.none() | side,
    batch_size=st.integers(1, 8),
    hires=st.none() | st.builds(Hires, scale=st.floats(1, 4), steps=st.none() | st.integers(1, 9)),
    refiner=st.none() | st.builds(Refiner, model=st.just("other"), switch_at=st.floats(0, 1)),
    motion=st.none()
    | st.builds(Motion, model=st.just("mm"), fps=st.floats(1, 60), format=st.sampled_from(["webp", "mp4"])),
    seamless=st.sampled_from(["", "x", "xy"]),
    alone=st.booleans(),
)


@given(requests)
def test_there_and_back_is_the_same(request: Request) -> None:
    assert to_request(from_request(request)) == request


def test_every_value_of_the_controls_is_plain() -> None:
    plain = (str, int, float, bool, list, type(None))
    assert all(isinstance(value, plain) for value in from_request(Request(hires=Hires())).values())


@pytest.mark.parametrize("empty", [None, "", []])
def test_what_is_empty_is_left_to_the_model(empty: Any) -> None:
    asked = {"steps": empty, "sampler": empty, "guidance.scale": empty, "seed": empty, "components.vae": empty}
    assert to_request({"prompt": "a fox", **asked}) == Request(prompt="a fox")


def test_nothing_of_a_size_is_left_to_the_model() -> None:
    zeros = dict.fromkeys(("steps", "width", "height", "variation.resize_from.0", "variation.resize_from.1"), 0)
    assert to_request(zeros) == Request()
    assert to_request({"guidance.scale": 0, "seed": 0}) == Request(guidance=Guidance(scale=0), seed=0)


def test_a_negative_seed_is_any_seed() -> None:
    assert to_request({"seed": -1}).seed is None


def test_parts_that_are_off_are_not_asked_for() -> None:
    values = from_request(Request(hires=Hires(scale=3), refiner=Refiner(model="other")))
    off = to_request({**values, "hires.on": False, "refiner.model": ""})
    assert off.hires is None
    assert off.refiner is None


def test_a_motion_module_makes_one_clip_of_as_many_pictures_as_it_has_frames() -> None:
    values = {**from_request(Request(batch_size=3)), "motion.model": "mm"}
    assert to_request(values).batch_size == FRAMES
    assert to_request({**values, "frames": 24}).batch_size == 24
    assert to_request({**values, "motion.model": ""}) == Request(batch_size=3)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "styles.csv").write_text("name,prompt,negative_prompt\nInk,{prompt} in ink,blurry\n")
    return Settings(styles=tmp_path / "styles.csv", wildcards=tmp_path)


def test_a_press_of_the_button_asks_for_as_many_as_were_counted(settings: Settings) -> None:
    asked = requests_of({"prompt": "a fox", "seed": 7, "batch_size": 2, "batch_count": 3}, settings)
    assert [one.seeds for one in asked] == [(7, 8), (9, 10), (11, 12)]


def test_styles_and_choices_are_laid_on(settings: Settings) -> None:
    one, two = requests_of({"prompt": "a {red|blue} fox", "batch_size": 2, "seed": 1, "styles": ["Ink"]}, settings)
    assert one.prompt.endswith("fox in ink")
    assert one.negative_prompt == "blurry"
    assert {one.seed, two.seed} == {1, 2}


def test_variations_follow_one_another_by_their_own_seed(settings: Settings) -> None:
    values = {"seed": 7, "variation.strength": 0.5, "variation.seed": 3, "batch_count": 2, "batch_size": 2}
    assert [(one.seed, one.variation.seed) for one in requests_of(values, settings)] == [(7, 3), (7, 5)]


def test_what_cannot_be_is_refused_by_name(settings: Settings) -> None:
    with pytest.raises(BadValue, match="width is 70"):
        to_request({"width": 70})
    with pytest.raises(BadValue, match="batch_count is -1"):
        requests_of({"batch_count": -1}, settings)
    with pytest.raises(UnknownName, match="nothing"):
        requests_of({"styles": ["nothing"]}, settings)
