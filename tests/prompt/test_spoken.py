"""Requests with choices become one request a picture, each the same as when it is asked for alone."""

from __future__ import annotations

from pathlib import Path

from easel.core.request import Request
from easel.prompt.spoken import spoken
from easel.prompt.styles import Style
from easel.prompt.wildcards import Wildcards

CHOICE = "a {red|blue|green|white|black} {fox|whale|apple|star}"


def test_without_choices_a_batch_stays_together() -> None:
    (only,) = spoken(Request(prompt="a fox", batch_size=4, seed=3))
    assert (only.batch_size, only.prompt) == (4, "a fox")


def test_each_picture_draws_its_own_words_and_has_them_alone_too() -> None:
    batch = Request(prompt=CHOICE, batch_size=8, seed=3)
    parts = spoken(batch)
    assert [part.seeds for part in parts] == [(seed,) for seed in range(3, 11)]
    assert len({part.prompt for part in parts}) > 2
    assert all(not set("{|}") & set(part.prompt) for part in parts)
    assert spoken(Request(prompt=CHOICE, seed=5))[0].prompt == parts[2].prompt


def test_the_frames_of_a_clip_stay_together_with_one_choice() -> None:
    (clip,) = spoken(Request(prompt=CHOICE, batch_size=8, seed=5, motion={"model": "mm"}))
    assert (clip.batch_size, clip.prompt) == (8, spoken(Request(prompt=CHOICE, seed=5))[0].prompt)


def test_variations_vary_their_words_too() -> None:
    parts = spoken(Request(prompt=CHOICE, batch_size=8, seed=3, variation={"seed": 1, "strength": 0.2}))
    assert {part.seeds for part in parts} == {(3,)}
    assert len({part.prompt for part in parts}) > 2


def test_styles_wildcards_and_the_second_pass(tmp_path: Path) -> None:
    (tmp_path / "colour.txt").write_text("red\n")
    request = Request(prompt="a __colour__ fox", seed=1, hires={"prompt": "a {big} fox"})
    (done,) = spoken(request, styles=[Style("snow", "{prompt} in snow", "fog")], wildcards=Wildcards(tmp_path))
    assert (done.prompt, done.negative_prompt) == ("a red fox in snow", "fog")
    assert done.hires is not None
    assert done.hires.prompt == "a big fox"
