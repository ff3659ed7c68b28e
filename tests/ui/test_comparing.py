"""Two pictures compared: what both say and what one of them says alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from easel.media.metadata import encode
from easel.ui.comparing import compared, pieces

WORDS = "a fox, red\nNegative prompt: blurry\nSteps: 8, Sampler: Euler, CFG scale: 7.0, Seed: 1, Size: 16x16"


def file(colour: str, infotext: str = "", size: tuple[int, int] = (16, 16)) -> bytes:
    """A picture of one colour with an infotext."""
    return encode(Image.new("RGB", size, colour), infotext)


@given(st.text("ab ,1", max_size=30), st.text("ab ,1", max_size=30))
def test_the_pieces_of_each_side_make_its_text(first: str, second: str) -> None:
    found = list(pieces(first, second))
    assert "".join(text for side, text in found if side != "second") == first
    assert "".join(text for side, text in found if side != "first") == second
    assert all(text for _, text in found)


def test_a_picture_compared_with_itself_differs_in_nothing() -> None:
    found = compared(file("red", WORDS), file("red", WORDS))
    assert found.pixels is not None
    assert found.pixels.differing == 0
    assert not any(setting.differs for setting in found.settings)


def test_settings_that_differ_are_told_words_first() -> None:
    found = compared(file("red", WORDS), file("blue", WORDS.replace("Steps: 8", "Steps: 9").replace("red", "blue")))
    assert [setting.name for setting in found.settings if setting.differs] == ["Prompt", "Steps"]
    assert found.settings[0].first == "a fox, red"
    assert found.pixels is not None
    assert found.pixels.differing == 256


def test_what_one_picture_does_not_tell_is_empty() -> None:
    found = compared(file("red"), file("red", WORDS))
    assert {(one.name, one.first) for one in found.settings if one.name == "Seed"} == {("Seed", "")}


def test_pictures_of_two_sizes_have_no_pixels_in_common() -> None:
    assert compared(file("red"), file("red", size=(8, 8))).pixels is None
