"""Parts on the page: a request goes through their rows and comes out the same; what is hidden does not count."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from easel.core.caller import Caller
from easel.core.control import Control, ImagePrompt
from easel.core.detail import Detail
from easel.core.errors import BadValue, UnknownName
from easel.core.finishing import Background, Enlarge, Faces
from easel.core.request import Request
from easel.media.reading import png_bytes
from easel.ui.drawn import data_url, file_of
from easel.ui.parts.hints import hints_of
from easel.ui.parts.lists import lists_of
from easel.ui.parts.reading import parts_of, shown
from easel.ui.parts.tables import GROUPS, PARTS
from easel.ui.parts.widget import group_of
from easel.ui.words import LANGUAGES, words_of
from tests.ui.houses import house_in

FILE = png_bytes(Image.linear_gradient("L").resize((48, 40)).convert("RGB"))
share = st.integers(0, 20).map(lambda twentieths: twentieths / 20)
picture = st.none() | st.just(FILE)
name = st.sampled_from(["starter-edges", "4x-UltraSharp"])
controls = st.builds(
    Control,
    image=picture,
    preprocessor=st.just("canny"),
    options=st.dictionaries(st.sampled_from(["low", "high"]), st.integers(1, 250).map(float)),
    resolution=st.none() | st.just(512),
    mask=picture,
    model=st.none() | name,
    weight=share,
    blocks=st.just(()) | st.just((1.0, 0.5)),
    end=share,
    mode=st.sampled_from(["balanced", "prompt", "control"]),
    resize=st.sampled_from(["just resize", "crop and resize", "resize and fill"]),
    region=picture,
    passes=st.sampled_from(["both", "first", "second"]),
)
prompts = st.builds(
    ImagePrompt,
    images=st.just((FILE, FILE)),
    model=name,
    reader=st.none() | name,
    weights=st.just(()) | st.just((1.0, 0.25)),
    combine=st.sampled_from(["beside", "average"]),
    start=st.just(0.0) | st.just(0.5),
)
common: dict[str, Any] = {
    "prompt": st.text(max_size=9),
    "confidence": share,
    "strength": share,
    "steps": st.none() | st.just(9),
}
details = (
    st.builds(Detail, find=name, most=st.integers(0, 3), cfg_scale=st.none() | st.just(3.0), **common)
    | st.builds(Detail, by=st.just("model"), find=name, classes=st.just(()) | st.just(("hand", "7")), **common)
    | st.builds(Detail, by=st.just("faces"), faces=st.none() | st.just(Faces(restorer="GFPGAN")), **common)
    | st.builds(Detail, by=st.just("mask"), mask=st.just(FILE), merge=st.sampled_from(["", "merge"]), strength=share)
)
requests = st.builds(
    Request,
    controls=st.lists(controls, max_size=3).map(tuple),
    image_prompts=st.lists(prompts, max_size=2).map(tuple),
    details=st.lists(details, max_size=3).map(tuple),
    enlarge=st.none()
    | st.builds(Enlarge, upscaler=name, scale=st.just(3.0))
    | st.builds(Enlarge, width=st.just(512), crop=st.booleans()),
    faces=st.lists(st.builds(Faces, restorer=name, visibility=share), max_size=2).map(tuple),
    background=st.none()
    | st.builds(Background, tolerance=st.just(30.0))
    | st.builds(Background, model=name, colour=st.just("#00ff00"))
    | st.builds(Background, image=st.just(FILE)),
)


@settings(max_examples=40)
@given(requests)
def test_there_and_back_is_the_same(request: Request) -> None:
    assert Request(**parts_of(shown(request))) == request


def test_nothing_asks_for_nothing() -> None:
    for value in (None, {}, {"controls": []}, {"unheard": [{}]}):
        assert parts_of(value) == {}


def test_every_field_of_a_part_is_on_the_page() -> None:
    elsewhere = {"details": {"components", "controls"}}  # a prompt's own, and units within units
    for part in PARTS.values():
        there = {field.place.partition(".")[0] for field in part.fields}
        assert there >= set(part.value.model_fields) - elsewhere.get(part.name, set())
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(PARTS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("group", GROUPS)
def test_every_field_has_its_words(language: str, group: str) -> None:
    told = group_of(words_of(language), group)
    assert all(field["label"] for part in told["parts"] for field in part["fields"])


def test_what_is_hidden_does_not_count() -> None:
    said = {"by": "faces", "find": "hands", "detector": "yolo", "mask": "not read"}
    assert parts_of({"details": [said]})["details"] == (parts_of({"details": [{"by": "faces"}]})["details"])
    behind = {"behind": "clear", "colour": "#ff0000", "image": "not read"}
    assert Request(**parts_of({"background": [behind]})).background == Background()
    large = {"by": "size", "width": 512, "scale": 8, "second_share": 0.5}
    assert Request(**parts_of({"enlarge": [large]})).enlarge == Enlarge(width=512)
    blended = {**large, "second": "Nearest"}
    assert Request(**parts_of({"enlarge": [blended]})).enlarge == Enlarge(width=512, second="Nearest", second_share=0.5)
    assert parts_of({"enlarge": [{"off": True}], "controls": [{"off": True}, {}]}).keys() == {"controls"}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"controls": [{"image": "/etc/passwd"}]}, r"controls\[0\]\.image is .not a picture"),
        ({"controls": [{"blocks": "1, two"}]}, r"controls\[0\]\.blocks is '1, two', allowed is numbers"),
        ({"controls": [{}] * 17}, "controls is '17 of them', allowed is at most 16"),
        ({"details": [{"find": ""}]}, "details.find is ''"),
        ({"controls": [{"weight": 9}]}, "controls.weight is 9, allowed is at most 2"),
    ],
)
def test_what_cannot_be_is_one_line(value: Any, line: str) -> None:
    with pytest.raises(BadValue, match=line):
        Request(**parts_of(value))


def test_lists_and_hints_of_a_house(tmp_path: Path) -> None:
    for kind, file in (("upscalers", "4x-mine.pth"), ("controlnet", "edges.pth"), ("gfpgan", "GFPGANv1.4.pth")):
        (tmp_path / "models" / kind).mkdir(parents=True)
        (tmp_path / "models" / kind / file).write_bytes(b"not read for a list")
    with house_in(tmp_path) as house:
        told = lists_of(house, words_of("ko"))({}, Caller())
        names = {kind: [entry["value"] for entry in found] for kind, found in told["lists"].items()}
        assert {"Lanczos", "4x-mine"} <= set(names["upscalers"])
        assert "Latent" not in names["upscalers"]
        assert "edges" in names["controls"]
        assert "GFPGANv1.4" in names["restorers"]
        assert {"flat"} <= set(names["backgrounds"])
        canny = next(entry for entry in told["lists"]["preprocessors"] if entry["value"] == "canny")
        assert (canny["lacks"], [option["name"] for option in canny["options"]][:2]) == (False, ["low", "high"])
        assert any(entry["lacks"] for entry in told["lists"]["preprocessors"])

        hint = hints_of(house)
        row = {"image": data_url(FILE), "preprocessor": "canny", "options": {"low": 20, "high": 40}, "resolution": 20}
        found = hint({"row": row}, Caller())
        with Image.open(io.BytesIO(file_of(found["picture"]))) as drawn:
            assert (drawn.size, found["width"]) == ((24, 20), 24)
        assert hint({"row": {}, "start": data_url(FILE)}, Caller())["width"] == 48
        with pytest.raises(BadValue, match=r"controls\.image is None, allowed is a picture"):
            hint({"row": {}}, Caller())
        with pytest.raises(UnknownName, match="cany"):
            hint({"row": {**row, "preprocessor": "cany"}}, Caller())
