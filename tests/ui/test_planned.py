"""The drawn plan and the count of tokens; and what is put into a prompt by a click."""

from __future__ import annotations

from pathlib import Path

import pytest

from easel.core.caller import Caller
from easel.core.settings import Settings
from easel.models.library.names import Library
from easel.prompt.catalogue import load_catalogue
from easel.ui.picking import PAGE, catalogue_words, put
from easel.ui.planned import Tokens, counted, drawn
from easel.ui.shapes import RATIOS, shaped, side_of
from easel.ui.words import words_of
from tests.tiny import starter_side


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(Settings(models=tmp_path_factory.mktemp("models")), paths=False)


@pytest.mark.parametrize("prompt", ["a fox", "", "<lora:x:1> a fox", "# nothing"])
def test_one_text_all_the_time_needs_no_plan(prompt: str) -> None:
    assert drawn(prompt, 20, 1, words_of("en")) == ""


@pytest.mark.parametrize("calls", [1, 2])
@pytest.mark.parametrize("steps", [1, 7, 20, None])
def test_the_bars_of_a_text_fill_the_steps_once(steps: int | None, calls: int) -> None:
    drawing = drawn("[a:b:0.5]", steps, calls, words_of("en"))
    widths = [float(part.partition("%")[0]) for part in drawing.split("width:")[1:]]
    assert sum(widths) == pytest.approx(100, abs=0.1) or drawing == ""


def test_what_a_person_wrote_is_escaped() -> None:
    drawing = drawn("[<script>:b:0.5] AND <img src=x>:2", 20, 1, words_of("ko"))
    assert "<script>" not in drawing
    assert "<img" not in drawing
    assert "&lt;script&gt;" in drawing


def test_tokens_are_counted_as_the_model_reads_them(library: Library) -> None:
    tokens = Tokens(library)
    assert counted(tokens, "", "starter") == "0/75"
    one, two = (int(counted(tokens, text, "starter").partition("/")[0]) for text in ("a fox", "a fox, a fox"))
    assert 0 < one < two
    assert counted(tokens, "fox " * 80, "starter").endswith("/150")
    assert counted(tokens, "a fox", "nobody's model") == ""


def test_every_word_of_the_catalogue_is_reached_page_by_page() -> None:
    words = catalogue_words("ko")
    found: list[str] = []
    more = True
    while more:
        answer = words({"from": len(found)}, Caller())
        found += [one["put"] for one in answer["entries"]]
        more = answer["more"]
        assert len(answer["entries"]) <= PAGE
    assert sorted(found) == sorted(entry.tag for entry in load_catalogue().entries)


def test_what_a_click_puts() -> None:
    assert put("lora", "people/ann", ["ann style", "red hair"]) == "<lora:people/ann:1>, ann style, red hair"
    assert put("embedding", "bad/hands", []) == "hands"


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("side", [128, 512, 768, 1024])
def test_shapes_keep_the_area_and_whole_cells(ratio: str, side: int) -> None:
    width, height = shaped(ratio, side)
    assert width % 8 == height % 8 == 0
    assert width * height == pytest.approx(side * side, rel=0.12)
    assert width / height == pytest.approx(RATIOS[ratio], rel=0.12)


def test_the_side_is_the_models_own(library: Library, tmp_path: Path) -> None:
    assert side_of(library, "starter") == starter_side()
    assert side_of(library, "nobody's model") == 512
