"""Laws that every registered preprocessor obeys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image, ImageDraw

from easel.core.errors import BadValue, UnknownName
from easel.core.registry import Entry
from easel.media.hints import Preprocessor, hint_of, preprocessors

every = pytest.mark.parametrize("entry", [pytest.param(entry, id=entry.name) for entry in preprocessors])
opaque = pytest.mark.parametrize(
    "entry", [pytest.param(entry, id=entry.name) for entry in preprocessors if not entry.facts["reads_alpha"]]
)


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """A drawn scene in colour with a soft ground, a hole in its upper left corner."""
    ramp = numpy.linspace(40, 250, width * height * 3).reshape(height, width, 3)
    image = Image.fromarray(ramp.astype(numpy.uint8))
    pen = ImageDraw.Draw(image)
    pen.ellipse((width // 4, height // 4, width * 3 // 4, height * 3 // 4), fill=(200, 60, 30), outline=(0, 0, 0))
    pen.line((0, height - 1, width - 1, 0), fill=(20, 20, 90), width=3)
    image.putalpha(255)
    image.paste((0, 0, 0, 0), (0, 0, max(1, width // 6), max(1, height // 6)))
    return image


def same(first: Image.Image, second: Image.Image) -> bool:
    return (first.mode, first.size, first.tobytes()) == (second.mode, second.size, second.tobytes())


def mode_of(entry: Entry[Preprocessor]) -> str:
    return "RGBA" if entry.facts["reads_alpha"] else "RGB"


@every
@pytest.mark.parametrize("size", [(96, 64), (1, 1), (3000, 2), (2, 301), (65, 129)])
def test_keeps_the_size_where_no_resolution_is_asked(entry: Entry[Preprocessor], size: tuple[int, int]) -> None:
    hint = hint_of(scene(*size), entry.name)
    assert (hint.size, hint.mode) == (size, mode_of(entry))


@every
@pytest.mark.parametrize(("resolution", "size"), [(64, (96, 64)), (128, (192, 128)), (67, (100, 67))])
def test_the_resolution_is_the_shorter_side(entry: Entry[Preprocessor], resolution: int, size: tuple[int, int]) -> None:
    assert hint_of(scene(), entry.name, resolution=resolution).size == size


@every
def test_same_picture_same_bytes_and_the_picture_is_left_alone(entry: Entry[Preprocessor]) -> None:
    image, kept = scene(), scene()
    assert same(hint_of(image, entry.name), hint_of(image, entry.name))
    assert same(image, kept)


@every
def test_says_something_of_a_scene(entry: Entry[Preprocessor]) -> None:
    levels = numpy.asarray(hint_of(scene(384, 256), entry.name))[..., :3]
    assert int(levels.max()) - int(levels.min()) > 60


@pytest.mark.parametrize("name", ["threshold", "colour-grid", "recolour-intensity", "tile", "inpaint", "none"])
def test_twice_is_once_where_nothing_is_left_to_do(name: str) -> None:
    once = hint_of(scene(), name)
    assert same(hint_of(once, name), once)


@opaque
def test_what_is_transparent_lies_on_white(entry: Entry[Preprocessor]) -> None:
    image = scene()
    white = Image.new("RGBA", image.size, "white")
    assert same(hint_of(image, entry.name), hint_of(Image.alpha_composite(white, image).convert("RGB"), entry.name))


@opaque
def test_grey_is_rgb_of_equal_channels(entry: Entry[Preprocessor]) -> None:
    grey = scene().convert("L")
    assert same(hint_of(grey, entry.name), hint_of(grey.convert("RGB"), entry.name))


@opaque
def test_a_palette_s_transparent_entry_counts(entry: Entry[Preprocessor]) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([255, 0, 0, 0, 0, 0])
    image.paste(0, (0, 0, 4, 8))
    image.info["transparency"] = 0
    assert same(hint_of(image, entry.name), hint_of(image.convert("RGBA"), entry.name))


@every
def test_every_name_of_it_finds_it(entry: Entry[Preprocessor]) -> None:
    assert entry.facts["label"] and entry.facts["control"]
    for alias in (entry.name, *entry.aliases):
        assert preprocessors[alias.upper()] is entry


@every
def test_every_option_has_limits_that_hold_its_default_and_does_something(entry: Entry[Preprocessor]) -> None:
    assert entry.options.keys() == entry.facts["limits"].keys()
    plain = hint_of(scene(), entry.name)
    for name, option in entry.options.items():
        least, greatest = entry.facts["limits"][name]
        assert least <= option.default <= greatest
        kind = type(option.default)
        tried: list[dict[str, Any]] = [{name: kind(least)}, {name: kind(greatest)}]
        if (entry.name, name) == ("canny", "low"):
            tried = [{name: 0.0}, {name: 200.0}]
        if (entry.name, name) == ("canny", "high"):
            tried = [{name: 100.0}, {name: 2040.0}]
        assert not all(same(hint_of(scene(), entry.name, options=options), plain) for options in tried)


@every
def test_options_that_cannot_be_are_refused_by_name(entry: Entry[Preprocessor]) -> None:
    with pytest.raises(UnknownName, match=f"option of {entry.name} 'no_such_option' is not known"):
        hint_of(scene(), entry.name, options={"no_such_option": 1})
    for name, (least, greatest) in entry.facts["limits"].items():
        for value in (least - 1, greatest + 1):
            with pytest.raises(BadValue, match=f"option {name} of {entry.name} is {value}, allowed is {least:g} to"):
                hint_of(scene(), entry.name, options={name: value})
        for value in ("much", float("nan"), True, None):
            with pytest.raises(BadValue, match=f"option {name} of {entry.name} is "):
                hint_of(scene(), entry.name, options={name: value})


def test_an_unknown_preprocessor_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"'cany' is not known; nearest 'canny'. `easel control list` lists all"):
        hint_of(scene(), "cany")


def test_every_file_of_the_folder_registers() -> None:
    import easel.media.hints as hints

    files = {path.stem for path in Path(hints.__file__).parent.glob("*.py")}
    shared = {"__init__", "registry", "sizes", "levels"}
    assert {entry.make.__module__.rpartition(".")[2] for entry in preprocessors} == files - shared
