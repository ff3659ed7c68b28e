"""What the tab "enlarge" asks for: a picture with its own settings, or the form's."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest
from PIL import Image

from easel.core.errors import BadValue, UnknownName
from easel.core.finishing import Background, Enlarge
from easel.core.settings import Settings
from easel.media.metadata import encode
from easel.models.library.names import Library
from easel.recipes.common import check
from easel.ui.enlarging import NAMES, USUAL, enlarging, larger, merged, plainly

INFOTEXT = """a red fox, snow
Negative prompt: blurry
Steps: 11, Sampler: Euler a, CFG scale: 4.5, Seed: 77, Size: 64x48, Model: starter, Clip skip: 2, Tiling: True, \
Denoising strength: 0.6, Hires upscale: 2, Version: Easel 0.1.0"""
PICTURE = Image.new("RGB", (64, 48), (200, 90, 20))
TOLD = encode(PICTURE, INFOTEXT)
SILENT = encode(PICTURE, "")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A library with the starter alone."""
    return Library(Settings(models=tmp_path_factory.mktemp("models")))


def asked(file: bytes, library: Library, **said: Any) -> Any:
    """Return the request for a picture with the usual form, but for some values by names with _ for points."""
    values: Mapping[str, Any] = {**USUAL, **{name.replace("__", "."): value for name, value in said.items()}}
    assert set(values) == set(NAMES)
    request = enlarging(file, values, library)
    check(request)
    return request


def test_a_picture_that_tells_nothing_has_the_usual(library: Library) -> None:
    request = asked(SILENT, library)
    assert (request.recipe, request.start.image, request.start.strength) == ("tiled_upscale", SILENT, 0.3)
    assert (request.tiles.scale, request.tiles.upscaler, request.tiles.overlap) == (2.0, "Lanczos", 64)
    assert (request.prompt, request.model, request.steps, request.seed) == ("", "starter", None, None)


def test_a_picture_brings_its_words_and_settings_and_not_its_past(library: Library) -> None:
    request = asked(TOLD, library)
    assert (request.prompt, request.negative_prompt) == ("a red fox, snow", "blurry")
    assert (request.steps, request.sampler, request.guidance.scale, request.seed) == (11, "Euler a", 4.5, 77)
    assert request.words.clip_skip == 2
    assert (request.seamless, request.hires, request.width, request.start.strength) == ("", None, None, 0.3)


def test_without_its_own_settings_only_the_form_counts(library: Library) -> None:
    request = asked(TOLD, library, own=False, prompt="a cat")
    assert (request.prompt, request.steps, request.words.clip_skip) == ("a cat", None, 1)


@pytest.mark.parametrize(
    ("said", "place", "value"),
    [
        ({"prompt": "a cat"}, "prompt", "a cat"),
        ({"steps": 3}, "steps", 3),
        ({"guidance__scale": 2.0}, "guidance.scale", 2.0),
        ({"seed": 5}, "seed", 5),
        ({"seed": -1}, "seed", 77),
        ({"sampler": "DDIM"}, "sampler", "DDIM"),
        ({"width": 32, "tiles__overlap": 16}, "width", 32),
        ({"start__match_colours": True}, "start.match_colours", True),
        ({"start__all_steps": True}, "start.all_steps", True),
        ({"scale": 3.5}, "tiles.scale", 3.5),
        ({"tiles__overlap": 0}, "tiles.overlap", 0),
        ({"start__strength": 0.0}, "start.strength", 0.0),
        ({"tiles__upscaler": "Nearest"}, "tiles.upscaler", "Nearest"),
        ({"preview_every": 2}, "preview_every", 2),
    ],
)
def test_what_the_form_says_wins(library: Library, said: dict[str, Any], place: str, value: Any) -> None:
    found: Any = asked(TOLD, library, **said)
    for name in place.split("."):
        found = getattr(found, name)
    assert found == value


def test_in_one_piece_is_a_larger_picture_from_the_picture(library: Library) -> None:
    request = asked(TOLD, library, how="whole", scale=2.5)
    assert (request.recipe, request.tiles, request.width, request.height) == ("image_to_image", None, 160, 120)
    assert request.start.resize == "just resize" and request.prompt == "a red fox, snow"


def test_sizes_are_whole_cells() -> None:
    assert larger(SILENT, 1.0) == (64, 48)
    assert larger(SILENT, 1.1) == (72, 56)
    with pytest.raises(BadValue, match="picture"):
        larger(b"no picture", 2)


def test_what_is_no_picture_or_carries_no_settings(library: Library) -> None:
    gif = io.BytesIO()
    PICTURE.save(gif, "GIF")
    assert asked(gif.getvalue(), library).prompt == ""
    with pytest.raises(BadValue, match=r"start\.image"):
        asked(b"no picture", library)


def test_a_model_that_is_not_here(library: Library) -> None:
    other = encode(PICTURE, INFOTEXT.replace("Model: starter", "Model hash: 0123456789, Model: lost"))
    with pytest.raises(UnknownName, match="'lost' is not known"):
        asked(other, library)
    assert asked(other, library, model="starter").model == "starter"


def test_settings_that_cannot_be_understood_leave_the_words(library: Library) -> None:
    odd = encode(PICTURE, INFOTEXT.replace("Steps: 11", "Steps: many"))
    request = asked(odd, library)
    assert (request.prompt, request.negative_prompt, request.steps) == ("a red fox, snow", "blurry", None)


def test_merging_goes_as_deep_as_values_do() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}, "e": 5}) == {"a": {"b": 1, "c": 4}, "d": 3, "e": 5}
    assert merged({"a": 1}, {"a": {"b": 2}}) == {"a": {"b": 2}}


def test_plainly_nothing_is_drawn() -> None:
    request = plainly(b"a picture", {"enlarge": {"scale": 4}, "background": {}})
    assert (request.recipe, request.prompt, request.seed) == ("process", "", 0)
    assert (request.enlarge, request.background) == (Enlarge(scale=4), Background())
    assert request.start is not None and request.start.image == b"a picture"
    with pytest.raises(BadValue, match="parts is None, allowed is something to do"):
        plainly(b"a picture", {})
