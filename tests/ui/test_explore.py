"""What the tab "explore" says: examples that can be typed as they stand, names in two languages, a line of verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from easel.core.request import Request
from easel.media.metadata import encode
from easel.prompt.axes import parse_axis
from easel.ui.comparing import compared
from easel.ui.explore import axis_name, hint, parts_of, verdict
from easel.ui.plots import AXES, lists
from easel.ui.words import LANGUAGES, words_of
from tests.ui.houses import house_in

FOX = Request(prompt="a fox", start={"image": b"?"}, mask={}, refiner={"model": "starter"})
WORDED = ("Prompt S/R", "Prompt order")  # these look for words of the prompt


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("label", [label for label in AXES if label not in WORDED])
def test_every_example_and_every_value_of_a_list_can_be_asked_for(label: str, language: str, tmp_path: Path) -> None:
    with house_in(tmp_path) as house:
        values = [", ".join(lists(house, label)) or hint(words_of(language), label)]
    for text in values:
        assert len(parse_axis(f"{label}={text}", FOX)) > 1 or label in ("Checkpoint name", "Refiner checkpoint", "VAE")


def test_axes_have_a_name_of_their_own_in_every_language() -> None:
    for language in LANGUAGES:
        names = [axis_name(words_of(language), label) for label in AXES]
        assert len(set(names)) == len(names)
    assert axis_name(words_of("en"), "Steps") == "Steps"
    assert axis_name(words_of("ko"), "Prompt S/R").endswith("(Prompt S/R)")


def test_the_verdict_says_how_far_pictures_are_apart() -> None:
    red, blue, small = (
        encode(Image.new("RGB", size, colour)) for size, colour in (((8, 8), "red"), ((8, 8), "blue"), ((4, 4), "red"))
    )
    say = words_of("en")
    assert verdict(compared(red, red), say) == "Equal, bit for bit: all 64 pixels."
    assert verdict(compared(red, blue), say).startswith("64 of 64 pixels differ, at most by 255")
    assert verdict(compared(red, small), say) == "The sizes differ: 8×8 and 4×4."


def test_what_a_request_began_from_goes_with_it() -> None:
    shown, parts = parts_of(FOX)
    assert shown["visible"]
    assert set(parts) == {"start", "mask", "recipe"}
    assert parts_of(Request())[1] == {}
