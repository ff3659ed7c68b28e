"""Axes of a grid: A1111's words, ranges, and what each value does to a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.errors import BadValue, EaselError, UnknownName
from easel.core.pictures import Start
from easel.core.request import Request
from easel.prompt.axes import LABELS, MOST_CELLS, NO_AXIS, grid, matrix, parse_axis

FOX = Request(prompt="a red fox, snow", negative_prompt="red", seed=5)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Steps=4,8,20", ("4", "8", "20")),
        ("steps = 1-5", ("1", "2", "3", "4", "5")),
        ("Steps=10-4", ("10", "9", "8", "7", "6", "5", "4")),
        ("Steps=1-10 (+3)", ("1", "4", "7", "10")),
        ("Steps=10-1 (-3)", ("10", "7", "4", "1")),
        ("Steps=1-10 [4]", ("1", "4", "7", "10")),
        ("CFG Scale=1-2 (+0.5)", ("1", "1.5", "2")),
        ("CFG=0.5-2.5 [3]", ("0.5", "1.5", "2.5")),
        ("CFG Scale=1-3.5", ("1", "2", "3")),
        ("Sampler=Euler,DPM++ 2M SDE", ("Euler", "DPM++ 2M SDE")),
        ('Prompt="a, b",c', ("a, b", "c")),
        ("Size=128x128, 64 x 96", ("128x128", "64 x 96")),
    ],
)
def test_values(text: str, values: tuple[str, ...]) -> None:
    assert parse_axis(text, FOX).values == values


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("Steps=7", "steps", 7),
        ("CFG Scale=3", "guidance.scale", 3.0),
        ("Sampler=Euler a", "sampler", "Euler a"),
        ("Clip skip=2", "words.clip_skip", 2),
        ("Checkpoint name=mine", "model", "mine"),
        ("Hires denoising=0.4", "hires.strength", 0.4),
        ("hires.upscaler=Lanczos", "hires.upscaler", "Lanczos"),
        ("Tiling=xy", "seamless", "xy"),
        ("variation.strength=0.25", "variation.strength", 0.25),
    ],
)
def test_a_value_changes_its_field_and_no_other(text: str, field: str, expected: object) -> None:
    changed = parse_axis(text, FOX).changes[0](FOX)
    found: object = changed
    for name in field.split("."):
        found = getattr(found, name)
    assert found == expected
    head = field.partition(".")[0]
    assert changed.model_copy(update={head: getattr(FOX, head)}) == FOX


def test_options_are_added_to_those_that_are_there() -> None:
    request = Request(sampler="Euler a", sampler_options={"s_noise": 1.1})
    assert parse_axis("Eta=0,1", request).changes[0](request).sampler_options == {"s_noise": 1.1, "eta": 0}


def test_search_and_replace() -> None:
    axis = parse_axis('Prompt S/R=red,blue,"green, big"', FOX)
    prompts = [(changed.prompt, changed.negative_prompt) for changed in (change(FOX) for change in axis.changes)]
    assert prompts == [
        ("a red fox, snow", "red"),
        ("a blue fox, snow", "blue"),
        ("a green, big fox, snow", "green, big"),
    ]


def test_prompt_order_takes_every_order_and_keeps_the_rest() -> None:
    request = Request(prompt="x a, b and c!")
    axis = parse_axis("Prompt order=a,b,c", request)
    assert sorted(change(request).prompt for change in axis.changes) == [
        "x a, b and c!",
        "x a, c and b!",
        "x b, a and c!",
        "x b, c and a!",
        "x c, a and b!",
        "x c, b and a!",
    ]


def test_denoising_wants_a_start() -> None:
    with pytest.raises(EaselError):
        parse_axis("Denoising=0.2,0.8", FOX)
    request = Request(prompt="a fox", start=Start(image=b"file", strength=0.5))
    changed = parse_axis("Denoising=0.2", request).changes[0](request)
    assert changed.start is not None
    assert (changed.start.image, changed.start.strength) == (b"file", 0.2)


def test_cells_run_row_by_row_and_sheet_by_sheet() -> None:
    found = grid(FOX, parse_axis("Steps=1,2", FOX), parse_axis("CFG Scale=3,4", FOX), parse_axis("Seed=8,9", FOX))
    cells = [(r.seed, r.guidance.scale, r.steps) for r in found.requests]
    assert cells == [(s, c, n) for s in (8, 9) for c in (3.0, 4.0) for n in (1, 2)]
    assert found.sheet(1) == found.requests[4:]
    assert grid(FOX).requests == (FOX,)
    assert len(NO_AXIS) == 1


def test_a_grid_of_a_million_cells_is_refused_before_it_is_made() -> None:
    thousand = parse_axis("Seed=1-1000", FOX)
    with pytest.raises(BadValue, match=f"at most {MOST_CELLS} cells"):
        grid(FOX, thousand, thousand)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("Stps=1", UnknownName, "nearest 'Steps'"),
        ("hires.strenth=1", UnknownName, "nearest 'strength'"),
        ("steps.x=1", UnknownName, "axis 'steps.x'"),
        ("Steps", BadValue, "NAME=VALUE"),
        ("Steps=", BadValue, "NAME=VALUE"),
        ("Steps=0", BadValue, "axis Steps is '0', allowed is at least 1"),
        ("Steps=many", BadValue, "axis Steps is 'many', allowed is a whole number"),
        ("Steps=1-5 (-1)", BadValue, "a step towards the end"),
        ("Steps=1-5 (+0)", BadValue, "a step towards the end"),
        ("Steps=1-5 [0]", BadValue, "1 to 1024 values"),
        ("Steps=1-999999999", BadValue, "at most 1024 values"),
        ("CFG Scale=1e999", BadValue, "finite"),
        ("Prompt S/R=cat,dog", BadValue, "words of the prompt"),
        ("Prompt order=a,b,c,d,e,f,g", BadValue, "6 parts"),
        ("Size=12x", BadValue, "WIDTHxHEIGHT"),
    ],
)
def test_bad_axes_are_named(text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words.replace("(", r"\(")):
        parse_axis(text, FOX)


@given(st.sampled_from([*LABELS, "Prompt S/R", "Prompt order", "Size", ""]), st.text(max_size=60))
def test_no_text_crashes_an_axis(name: str, values: str) -> None:
    try:
        axis = parse_axis(f"{name}={values}", FOX)
        assert 1 <= len(axis) <= MOST_CELLS
        assert len(axis.changes) == len(axis.values)
    except EaselError:
        pass


def test_matrix_takes_every_choice() -> None:
    found = matrix(Request(prompt="a fox| red |at night|big", seed=1))
    prompts = [request.prompt for request in found.requests]
    assert len(prompts) == len(set(prompts)) == 8
    assert prompts[0] == "a fox"
    assert "a fox, red, at night, big" in prompts
    assert (len(found.x), len(found.y)) == (4, 2)


@pytest.mark.parametrize("prompt", ["a fox", "|".join("abcdefghijklm")])
def test_bad_matrices(prompt: str) -> None:
    with pytest.raises(BadValue, match="prompt is"):
        matrix(Request(prompt=prompt))
