"""Expanding: styles before choices, both prompts, and what doors may ask."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.errors import BadValue, RequestError, UnknownName
from easel.prompt.expand import combinations, expanded, has_choices
from easel.prompt.styles import LONGEST, Style
from easel.prompt.wildcards import Wildcards

INK = Style("ink", "{ink|pencil} drawing of {prompt}", "photo")


@pytest.fixture
def wildcards(tmp_path: Path) -> Wildcards:
    (tmp_path / "colour.txt").write_text("red\n2::blue\n{dark|light} green\n")
    return Wildcards(tmp_path)


def test_plain_prompts_are_left_as_they_are() -> None:
    assert expanded("a (red:1.2) fox \\(x\\)", "blurry", seed=1) == ("a (red:1.2) fox \\(x\\)", "blurry")
    assert list(combinations("a fox", limit=9)) == [("a fox", "")]


def test_styles_come_first_and_their_choices_are_made(wildcards: Wildcards) -> None:
    found = list(combinations("a __colour__ fox", styles=[INK], wildcards=wildcards, limit=99))
    colours = ["red", "blue", "dark green", "light green"]
    assert found == [(f"{tool} drawing of a {c} fox", "photo") for tool in ("ink", "pencil") for c in colours]
    assert expanded("a __colour__ fox", styles=[INK], wildcards=wildcards, seed=5) in found


def test_the_negative_prompt_varies_first() -> None:
    assert list(combinations("{a|b}", "{x|y}", limit=9)) == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]


def test_no_more_than_the_limit() -> None:
    assert list(combinations("{a|b}" * 500, limit=2)) == [("a" * 500, ""), ("a" * 499 + "b", "")]
    assert list(combinations("{a|b}", limit=0)) == []


def test_one_prompt_does_not_move_the_other() -> None:
    choices = "{a|b|c|d|e|f} {a|b|c|d|e|f}"
    alone = [expanded("", choices, seed=seed)[1] for seed in range(20)]
    assert [expanded("{1|2|3}", choices, seed=seed)[1] for seed in range(20)] == alone
    assert [expanded(choices, seed=seed)[0] for seed in range(20)] != alone
    assert len(set(alone)) > 10


def test_negative_seeds_are_seeds_of_their_own() -> None:
    choices = "{a|b|c|d|e|f}" * 9
    assert expanded(choices, seed=-5) == expanded(choices, seed=-5) != expanded(choices, seed=5)


def test_without_wildcards_a_name_is_unknown() -> None:
    with pytest.raises(UnknownName, match="wildcard 'colour' is not known"):
        expanded("__colour__", seed=1)
    with pytest.raises(UnknownName):
        next(combinations("__colour__", limit=1))


def test_texts_that_are_too_long() -> None:
    for given_ in (("x" * (LONGEST + 1), ""), ("", "x" * (LONGEST + 1))):
        with pytest.raises(BadValue, match=f"at most {LONGEST} characters before"):
            expanded(*given_, seed=1)


@pytest.mark.parametrize(
    ("text", "answer"),
    [("a fox", False), ("{a|b}", True), ("{a}", False), ("a | b {", False), ("__x__", True), ("${x}", True)],
)
def test_has_choices(text: str, answer: bool) -> None:
    assert has_choices(text) is answer


@given(st.text(max_size=100), st.text(st.sampled_from("{}|$_\\a2-"), max_size=30), st.integers())
def test_any_text_is_expanded_or_refused(prompt: str, negative: str, seed: int) -> None:
    has_choices(prompt)
    try:
        found = expanded(prompt, negative, seed=seed)
    except RequestError:
        assert has_choices(prompt) or has_choices(negative)
        return
    assert found == expanded(prompt, negative, seed=seed)
    every = list(itertools.islice(combinations(prompt, negative, limit=2000), 2000))
    assert len(every) == 2000 or found in every
    assert has_choices(prompt) or has_choices(negative) or every == [found]
