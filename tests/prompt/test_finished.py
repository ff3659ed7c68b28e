"""Last touches in infotext: what the recipes write comes back, and texts of ADetailer and of A1111's extras."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from easel.core.detail import Detail
from easel.core.errors import BadValue, RequestError
from easel.core.finishing import Background, Enlarge, Faces
from easel.core.passes import Components
from easel.core.request import Request
from easel.prompt.finished import DETAIL, is_touch
from easel.prompt.infotext import Infotext, read, write
from easel.prompt.recall import recall
from easel.recipes.done import done_fields

SHARE = st.floats(0, 1)
WORD = st.text("abcdefghij klmnop", min_size=1, max_size=12).map(str.strip).filter(bool)


@st.composite
def details(draw: st.DrawFn) -> Detail:
    by = draw(st.sampled_from(["words", "faces", "model", "mask"]))
    least, greatest = sorted((draw(SHARE), draw(SHARE)))
    only_masked = draw(st.booleans())
    own = {
        "width": draw(st.none() | st.just(512)),
        "height": draw(st.none() | st.just(640)),
        "steps": draw(st.none() | st.integers(1, 50)),
        "cfg_scale": draw(st.none() | st.floats(0, 20)),
        "sampler": draw(st.none() | st.just("Euler a")),
        "schedule": draw(st.none() | st.just("Karras")),
        "clip_skip": draw(st.none() | st.integers(1, 12)),
        "noise_multiplier": draw(st.none() | st.floats(0, 1.5)),
        "model": draw(st.none() | st.just("fine")),
        "components": draw(st.none() | st.just(Components(vae="soft", text_encoders=("one", "two")))),
        "faces": draw(st.none() | st.just(Faces(restorer="GFPGAN"))),
    }
    return Detail(
        by=by,
        find=draw(WORD) if by in ("words", "model") else "",
        classes=tuple(draw(st.lists(WORD, max_size=2))) if by == "model" else (),
        mask=b"mask" if by == "mask" else None,
        prompt=draw(st.just("") | WORD),
        negative_prompt=draw(st.just("") | WORD),
        confidence=draw(SHARE),
        least=least,
        greatest=greatest,
        order=draw(st.sampled_from(["confidence", "area", "left to right", "centre"])),
        most=draw(st.integers(0, 9)),
        grow=draw(st.integers(-128, 128)),
        move_x=draw(st.integers(-200, 200)),
        move_y=draw(st.integers(-200, 200)),
        merge=draw(st.sampled_from(["", "merge", "invert"])),
        blur=draw(st.floats(0, 64)),
        strength=draw(SHARE),
        only_masked=only_masked,
        padding=draw(st.integers(0, 256)) if only_masked else 32,
        **own,
    )


SIZES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"scale": 3.5},
        {"scale": 2.0},
        {"width": 640},
        {"height": 480},
        {"width": 640, "height": 480},
        {"width": 640, "height": 480, "crop": False},
    ]
)


@st.composite
def touched(draw: st.DrawFn) -> Request:
    second = draw(st.booleans())
    blend = {"second": "Nearest", "second_share": draw(st.floats(0.1, 1))} if second else {}
    enlarge = Enlarge(upscaler=draw(st.sampled_from(["Lanczos", "4x-Ultra"])), first=draw(st.booleans()), **blend)
    background = Background(
        holes=draw(st.booleans()),
        model=draw(st.sampled_from(["flat", "u2net"])),
        colour=draw(st.sampled_from(["", "#00ff7f"])),
        image=draw(st.none() | st.just(b"behind")),
        feather=draw(st.floats(0, 9)),
        mask_only=draw(st.booleans()),
    )
    restorers = draw(st.sampled_from([(), ("GFPGAN",), ("CodeFormer",), ("GFPGAN", "CodeFormer")]))
    return Request(
        prompt="a fox",
        seed=1,
        steps=3,
        details=tuple(draw(st.lists(details(), max_size=4))),
        enlarge=draw(st.none() | SIZES.map(lambda size: enlarge.changed(**size))),
        faces=tuple(
            Faces(restorer=name, visibility=draw(SHARE), **({"fidelity": draw(SHARE)} if name == "CodeFormer" else {}))
            for name in restorers
        ),
        background=draw(st.none() | st.just(background)),
    )


@settings(max_examples=60)
@given(touched())
def test_what_became_of_a_picture_comes_back(request: Request) -> None:
    said = {"Steps": 3, "Seed": 1, "RNG": "CPU", "Version": "Easel 1", **done_fields(request)}
    found = recall(read(write("a fox", "", said)))
    needs = [f"details.{place}.mask" for place, detail in enumerate(request.details) if detail.by == "mask"]
    needs += ["background.image"] if request.background and request.background.image else []
    assert found.ignored == {} and list(found.needs) == needs
    pictures = {place: b"mask" if "mask" in place else b"behind" for place in needs}
    assert found.request(pictures=pictures) == request
    for place in needs:
        with pytest.raises(BadValue, match=place.replace(".", r"\.")):
            found.request(pictures={name: file for name, file in pictures.items() if name != place})


WILD = (
    "a fox\nNegative prompt: fog\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1, "
    "Size: 512x768, ADetailer model: face_yolov8n.pt, ADetailer confidence: 0.3, ADetailer dilate erode: 4, "
    "ADetailer mask blur: 4, ADetailer denoising strength: 0.4, ADetailer inpaint only masked: True, "
    "ADetailer inpaint padding: 32, ADetailer model 2nd: hand_yolov8n.pt, "
    'ADetailer prompt 2nd: "a hand, five fingers", '
    "ADetailer confidence 2nd: 0.5, ADetailer mask only top k 2nd: 2, ADetailer use separate steps 2nd: True, "
    "ADetailer steps 2nd: 28, ADetailer use separate sampler 2nd: True, ADetailer sampler 2nd: Euler a, "
    "ADetailer scheduler 2nd: Use same scheduler, ADetailer restore face 2nd: True, "
    "ADetailer ControlNet model 2nd: control_v11p_sd15_inpaint [ebff9138], ADetailer ControlNet weight 2nd: 0.5, "
    "ADetailer version: 24.9.0, Version: v1.10.1"
)


def test_a_text_of_adetailer_s() -> None:
    found = recall(read(WILD))
    assert found.ignored == {} and found.needs == ()
    first, second = found.request().details
    assert first == Detail(by="model", find="face_yolov8n")
    assert (second.find, second.prompt, second.confidence) == ("hand_yolov8n", "a hand, five fingers", 0.5)
    assert (second.most, second.order, second.steps, second.sampler) == (2, "area", 28, "Euler a")
    assert second.schedule is None and second.faces == Faces(restorer="CodeFormer")
    (control,) = second.controls
    assert (control.model, control.weight) == ("control_v11p_sd15_inpaint", 0.5)


def test_a_text_of_extras() -> None:
    line = (
        "Postprocess upscale by: 4, Postprocess upscaler: 4x-UltraSharp, Postprocess upscaler 2: R-ESRGAN 4x+, "
        "GFPGAN visibility: 0.5, CodeFormer visibility: 0.25, CodeFormer weight: 0.1"
    )
    request = recall(read(f"a fox\nSteps: 20, Seed: 1, {line}")).request()
    assert request.enlarge == Enlarge(upscaler="4x-UltraSharp", second="R-ESRGAN 4x+", scale=4)
    assert request.faces == (
        Faces(restorer="GFPGAN", visibility=0.5),
        Faces(restorer="CodeFormer", visibility=0.25, fidelity=0.1),
    )


def test_a_detail_alone_begins_from_a_picture_of_any_size() -> None:
    line = "Steps: 20, Seed: 1, Size: 501x333, Recipe: detail, ADetailer model: words: face, Version: Easel 1"
    found = recall(read(f"a fox\n{line}"))
    assert found.needs == ("start",)
    request = found.request(start=b"fox")
    assert (request.recipe, request.width, request.details) == ("detail", None, (Detail(find="face"),))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ADetailer model: x, ADetailer confidence: high", "infotext \"ADetailer confidence\" is 'high'"),
        ("ADetailer model 2nd: x, ADetailer steps 2nd: x", 'infotext "ADetailer steps 2nd"'),
        ("ADetailer model: x, ADetailer confidence: 2", 'infotext "ADetailer" confidence is 2.0'),
        ("ADetailer model: x, ADetailer inpaint width: 9", 'infotext "ADetailer" width is 9'),
        ("Postprocess upscale by: 99", 'infotext "Postprocess" scale'),
        ("GFPGAN visibility: -1", 'infotext "GFPGAN" visibility'),
        ("Background colour: red", 'infotext "Background" colour'),
    ],
)
def test_nonsense_is_named(line: str, told: str) -> None:
    with pytest.raises(BadValue) as caught:
        recall(read(f"a fox\nSteps: 20, Seed: 1, {line}"))
    assert told in caught.value.message and "\n" not in caught.value.message


def test_what_is_not_known_is_left_to_others() -> None:
    found = recall(read("a fox\nSteps: 20, Seed: 1, ADetailer charm: 3, Postprocess magic: 1"))
    assert found.ignored == {"ADetailer charm": "3", "Postprocess magic": "1"}
    assert DETAIL.fullmatch("ADetailer prompt 12th") and is_touch("ADetailer prompt 12th")


NAMES = ["ADetailer model", "ADetailer steps", "ADetailer mask only top k 2nd", "ADetailer model 2nd"]


@given(st.dictionaries(st.sampled_from([*NAMES, "Postprocess crop to", "X visibility"]), st.text(max_size=12)))
def test_any_touch_is_read_or_refused_in_one_line(said: dict[str, str]) -> None:
    try:
        recall(Infotext("a fox", "", said))
    except RequestError as error:
        assert "\n" not in error.message
