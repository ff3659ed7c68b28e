"""A request is right when it exists: every bad input of a person or a program is one clear line."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from easel.core.errors import BadValue, RequestError, UnknownName
from easel.core.limits import MAX_PROMPT, MAX_SEED
from easel.core.passes import Guidance, Hires, Refiner
from easel.core.pictures import Mask, Soft, Start
from easel.core.request import RANDOM_SEEDS, Request

BAD = [
    ({"width": 511}, "width is 511, allowed is a multiple of 8; nearest are 504 and 512."),
    ({"height": 3}, "height is 3, allowed is a multiple of 8; nearest is 8."),
    ({"width": 0}, "width is 0, allowed is at least 8."),
    ({"width": -8}, "width is -8, allowed is at least 8."),
    ({"width": -3}, "width is -3, allowed is a multiple of 8."),
    ({"width": 8192}, "width is 8192, allowed is at most 4096."),
    ({"width": 512.5}, "width is 512.5, allowed is a whole number."),
    ({"steps": 0}, "steps is 0, allowed is at least 1."),
    ({"steps": 100_000}, "steps is 100000, allowed is at most 1000."),
    ({"steps": math.nan}, "steps is nan, allowed is a finite number."),
    ({"steps": "many"}, "steps is 'many', allowed is a whole number."),
    ({"seed": -1}, "seed is -1, allowed is at least 0."),
    ({"batch_size": 0}, "batch_size is 0, allowed is at least 1."),
    ({"noise": "GPU"}, "noise is 'GPU', allowed is 'CPU' or 'NV'."),
    ({"alone": "maybe"}, "alone is 'maybe', allowed is true or false."),
    ({"prompt": None}, "prompt is None, allowed is text."),
    ({"prompt": 5}, "prompt is 5, allowed is text."),
    ({"sampler": 5}, "sampler is 5, allowed is text."),
    ({"guidance": 7}, "guidance is 7, allowed is named values."),
    ({"guidance": {"scale": math.nan}}, "guidance.scale is nan, allowed is a finite number."),
    ({"guidance": {"scale": math.inf}}, "guidance.scale is inf, allowed is a finite number."),
    ({"guidance": {"scale": -1}}, "guidance.scale is -1, allowed is at least 0."),
    ({"sampler_options": [3]}, "sampler_options is [3], allowed is named values."),
    (
        {"sampler_options": {"eta": math.nan}},
        "sampler_options.eta is nan, allowed is true, false, a finite number or text.",
    ),
    (
        {"schedule_options": {"rho": [7]}},
        "schedule_options.rho is [7], allowed is true, false, a finite number or text.",
    ),
]


@pytest.mark.parametrize(("fields", "message"), BAD)
def test_a_bad_value_is_named_with_what_is_allowed(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BadValue) as caught:
        Request(**fields)
    assert str(caught.value) == message


def test_a_prompt_too_long_is_refused_with_its_length() -> None:
    with pytest.raises(BadValue, match=rf"100000 characters\), allowed is at most {MAX_PROMPT} characters"):
        Request(prompt="a" * 100_000)


@pytest.mark.parametrize("field", ["prompt", "negative_prompt", "model", "recipe", "sampler", "schedule"])
@pytest.mark.parametrize("text", ["\ud83e", "a fox \udfff", "\ud83e" * 3000])
def test_lone_surrogates_are_refused_everywhere(field: str, text: str) -> None:
    with pytest.raises(BadValue) as caught:
        Request(**{field: text})
    caught.value.message.encode("utf-8")


def test_the_place_of_a_lone_surrogate_is_told() -> None:
    with pytest.raises(BadValue, match="remove character 7"):
        Request(prompt="a fox \ud83e")


def test_lone_surrogates_are_refused_in_options() -> None:
    with pytest.raises(RequestError):
        Request(sampler_options={"kind": "\ud800"})
    with pytest.raises(RequestError):
        Request(sampler_options={"\ud800": 1})


def test_an_unknown_field_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="request field 'promt' is not known; nearest 'prompt'"):
        Request(**{"promt": "a fox"})  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="guidance field 'skale' is not known; nearest 'scale'"):
        Guidance(**{"skale": 7})


def test_guidance_made_by_itself_speaks_our_errors() -> None:
    with pytest.raises(BadValue, match=r"guidance\.scale is nan"):
        Guidance(scale=math.nan)


def test_guidance_ends_after_it_starts() -> None:
    with pytest.raises(BadValue, match=r"guidance\.start is 0\.5, allowed is at most guidance\.end, 0\.2"):
        Guidance(start=0.5, end=0.2)


@given(
    st.dictionaries(
        st.sampled_from([*Request.model_fields, "other"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(),
            st.binary(max_size=9),
            st.lists(st.integers(), max_size=2),
            st.dictionaries(st.text(), st.floats(), max_size=2),
        ),
    )
)
def test_any_fields_make_a_request_or_one_clear_line(fields: dict[str, Any]) -> None:
    try:
        request = Request(**fields)
    except RequestError as error:
        assert error.message.isprintable()
    else:
        assert Request(**request.model_dump()) == request


def test_an_empty_prompt_is_allowed() -> None:
    assert Request().prompt == ""


def test_a_request_is_frozen() -> None:
    request = Request(prompt="a fox")
    with pytest.raises(ValidationError):
        request.prompt = "a whale"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        request.guidance.scale = 3.0  # type: ignore[misc]


def test_options_are_the_requests_own() -> None:
    options: dict[str, Any] = {"eta": 0.5}
    request = Request(sampler_options=options)
    options["eta"] = 1.0
    assert request.sampler_options == {"eta": 0.5}


def test_a_request_survives_json() -> None:
    request = Request(prompt="빨간 사과", seed=3, guidance=Guidance(scale=5), sampler_options={"eta": 0.5, "on": True})
    assert Request.model_validate_json(request.model_dump_json()) == request


def test_pictures_survive_json_and_stay_out_of_messages() -> None:
    start, mask = Start(image=bytes(range(256)), strength=0.4), Mask(soft=Soft(contrast=2))
    request = Request(recipe="inpaint", start=start, mask=mask, hires=Hires(scale=1.5), refiner=Refiner(model="other"))
    assert Request.model_validate_json(request.model_dump_json()) == request
    assert len(repr(request)) < 3000
    with pytest.raises(BadValue, match=r"start\.image"):
        Start(image="fox.png")  # type: ignore[arg-type]  # a path is not a picture


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hires": {"scale": 9}}, "hires.scale is 9, allowed is at most 8"),
        ({"hires": {"scal": 2}}, "hires field 'scal' is not known; nearest 'scale'"),
        ({"start": {"image": b"x", "resize": "stretch"}}, "start.resize is 'stretch', allowed is 'just resize'"),
        ({"mask": {"soft": {"contrast": 0}}}, "mask.soft.contrast is 0, allowed is at least 1"),
        ({"outpaint": {}}, "at least one side to grow"),
        ({"outpaint": {"left": 12}}, "outpaint.left is 12, allowed is a multiple of 8; nearest are 8 and 16"),
        ({"refiner": {}}, "refiner.model"),
        ({"words": {"clip_skip": 13}}, "words.clip_skip is 13, allowed is at most 12"),
        ({"seamless": "z"}, "seamless is 'z'"),
    ],
)
def test_parts_speak_in_their_own_words(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as caught:
        Request(**fields)
    assert words in caught.value.message


def test_seeds_of_variations() -> None:
    plain = Request(seed=5, batch_size=3)
    assert plain.seeds == (5, 6, 7)
    varied = Request(seed=5, batch_size=3, variation={"seed": 9, "strength": 0.5})
    assert (varied.seeds, varied.variation_seeds) == ((5, 5, 5), (9, 10, 11))
    second = varied.one(1)
    assert (second.seeds, second.variation_seeds, second.batch_size) == ((5,), (10,), 1)
    assert plain.one(2).seeds == (7,)
    drawn = Request(variation={"strength": 0.5}).settled()
    assert drawn.variation.seed is not None


def test_a_value_changes_only_by_its_rules() -> None:
    request = Request(prompt="a fox")
    assert request.changed(steps=3).steps == 3
    with pytest.raises(BadValue, match="steps"):
        request.changed(steps=0)


def test_settling_draws_a_seed_once() -> None:
    request = Request(prompt="a fox", batch_size=3)
    with pytest.raises(BadValue, match="settled"):
        _ = request.seeds
    settled = request.settled()
    assert settled.seed is not None
    assert 0 <= settled.seed < RANDOM_SEEDS
    assert settled.seeds == (settled.seed, settled.seed + 1, settled.seed + 2)
    assert settled.settled() is settled
    assert request.seed is None


def test_the_last_seed_of_the_largest_batch_is_a_seed() -> None:
    assert Request(seed=MAX_SEED - 2**20, batch_size=128).seeds[-1] < MAX_SEED
