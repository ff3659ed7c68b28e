"""Units of ControlNet as clients of that extension and of Forge send them, and what they mean in a request."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.api.a1111.chosen import asked
from easel.api.a1111.unit import Unit
from easel.api.a1111.wire import ImageToImage, TextToImage
from easel.core.control import MOST_UNITS, Control, ImagePrompt
from easel.core.errors import RequestError
from easel.core.request import Request
from tests.api.a1111.bodies import image, picture, text

PICTURE = picture()
FILE = base64.b64decode(PICTURE)
OTHER = picture(colour=200)
WHITE, BLACK = picture(colour=255), picture(colour=0)
CANNY = {"image": PICTURE, "module": "canny", "model": "control_v11p_sd15_canny [d14c016b]"}

# What the extension's own documentation and Forge's page send: every field of a unit.
WHOLE = {
    "enabled": True,
    "module": "canny",
    "model": "control_v11p_sd15_canny [d14c016b]",
    "weight": 0.8,
    "image": {"image": f"data:image/png;base64,{PICTURE}", "mask": None},
    "mask": None,
    "resize_mode": "Crop and Resize",
    "low_vram": False,
    "processor_res": 512,
    "threshold_a": 64,
    "threshold_b": 96.5,
    "guidance_start": 0.1,
    "guidance_end": 0.9,
    "pixel_perfect": True,
    "control_mode": "My prompt is more important",
    "inpaint_crop_input_image": True,
    "hr_option": "High res only",
    "save_detected_map": True,
    "advanced_weighting": [1.0] * 12 + [0.5],
    "effective_region_mask": WHITE,
    "pulid_mode": "Fidelity",
    "union_control_type": "Hard Edge",
    "ipadapter_input": None,
    "input_mode": "simple",
    "batch_images": "",
    "animatediff_batch": False,
}
FORGE = {
    "use_preview_as_input": False,
    "generated_image": None,
    "mask_image": None,
    "hr_option": "Both",
    "enabled": True,
    "module": "canny",
    "model": "control_v11p_sd15_canny [d14c016b]",
    "weight": 1,
    "image": PICTURE,
    "resize_mode": "Crop and Resize",
    "processor_res": 512,
    "threshold_a": 100,
    "threshold_b": 200,
    "guidance_start": 0,
    "guidance_end": 1,
    "pixel_perfect": False,
    "control_mode": "Balanced",
    "save_detected_map": False,
}


def call(*units: Any, script: str = "ControlNet", **fields: Any) -> Request:
    return text(alwayson_scripts={script: {"args": list(units)}}, **fields)


def one(unit: dict[str, Any], **fields: Any) -> Control:
    (found,) = call({**CANNY, **unit}, **fields).controls
    return found


def adapted(unit: dict[str, Any], **fields: Any) -> ImagePrompt:
    known = {"image": PICTURE, "module": "ip-adapter_clip_h", "model": "ip-adapter_sd15 [6a3f6166]"}
    (found,) = call({**known, **unit}, **fields).image_prompts
    return found


def test_a_whole_unit() -> None:
    (found,) = call(WHOLE, enable_hr=True).controls
    assert found == Control(
        image=FILE,
        preprocessor="canny",
        options={"low": 64, "high": 96.5},
        resolution=512,
        pixel_perfect=True,
        model="control_v11p_sd15_canny",
        kind="canny",
        weight=0.8,
        blocks=(1.0,) * 12 + (0.5,),
        start=0.1,
        end=0.9,
        mode="prompt",
        resize="crop and resize",
        region=base64.b64decode(WHITE),
        passes="second",
    )


@pytest.mark.parametrize("script", ["ControlNet", "controlnet", "sd_forge_controlnet"])
def test_forge_s_unit(script: str) -> None:
    (found,) = call(FORGE, script=script).controls
    options = {"low": 100, "high": 200}
    assert found == Control(
        image=FILE, preprocessor="canny", options=options, resolution=512, model="control_v11p_sd15_canny"
    )


def test_a_unit_says_what_it_needs_to_and_no_more() -> None:
    assert one({}) == Control(image=FILE, preprocessor="canny", model="control_v11p_sd15_canny")


@pytest.mark.parametrize(
    ("unit", "field", "value"),
    [
        ({"weight": 2}, "weight", 2.0),
        ({"guidance": 0.5}, "end", 0.5),
        ({"resize_mode": 0}, "resize", "just resize"),
        ({"resize_mode": 2}, "resize", "resize and fill"),
        ({"resize_mode": "Just Resize"}, "resize", "just resize"),
        ({"resize_mode": "Scale to Fit (Inner Fit)"}, "resize", "crop and resize"),
        ({"resize_mode": "Envelope (Outer Fit)"}, "resize", "resize and fill"),
        ({"control_mode": 2}, "mode", "control"),
        ({"control_mode": "ControlNet is more important"}, "mode", "control"),
        ({"processor_res": -1}, "resolution", None),
        ({"processor_res": 256}, "resolution", 256),
        ({"processor_res": 256, "module": "none"}, "resolution", None),
        ({"processor_res": 256, "module": "tile_resample"}, "resolution", None),
        ({"module": "None"}, "preprocessor", "none"),
        ({"module": "tile_resample", "threshold_a": 2}, "options", {"rate": 2.0}),
        ({"module": "scribble_xdog", "threshold_a": 32}, "options", {"threshold": 16.0}),
        ({"module": "depth_midas", "threshold_a": 64, "threshold_b": 64}, "options", {}),
        ({"threshold_a": -1, "threshold_b": 220}, "options", {"high": 220}),
        ({"union_control_type": "Unknown"}, "kind", ""),
        ({"union_control_type": "OpenPose"}, "kind", "openpose"),
        ({"image": {"image": PICTURE, "mask": BLACK}}, "mask", None),
        ({"image": [PICTURE]}, "image", FILE),
        ({"image": None, "input_image": PICTURE}, "image", FILE),
        ({"module": "inpaint_only", "mask": WHITE}, "mask", base64.b64decode(WHITE)),
        ({"module": "inpaint_only", "image": {"image": PICTURE, "mask": WHITE}}, "mask", base64.b64decode(WHITE)),
        ({"module": "inpaint_only", "mask_image": WHITE}, "mask", base64.b64decode(WHITE)),
        ({"module": "reference_only", "model": "None", "threshold_a": 0.4}, "options", {"fidelity": 0.4}),
        ({"module": "reference_only", "model": "None"}, "model", None),
        ({"module": "reference_only", "model": "some [d14c016b]"}, "model", None),
        ({"module": "Canny edges"}, "preprocessor", "canny"),
        ({"use_preview_as_input": True, "generated_image": OTHER}, "image", base64.b64decode(OTHER)),
        ({"use_preview_as_input": True, "generated_image": OTHER}, "preprocessor", "none"),
        ({"hr_option": "Low res only"}, "passes", "both"),
        ({"a_field_of_tomorrow": [1]}, "weight", 1.0),
    ],
)
def test_a_field_goes_where_it_belongs(unit: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(one(unit), field) == value


@pytest.mark.parametrize(
    ("option", "passes"), [("Both", "both"), ("Low res only", "first"), ("High res only", "second"), (1, "first")]
)
def test_a_second_pass_has_units_of_its_own(option: str | int, passes: str) -> None:
    assert one({"hr_option": option}, enable_hr=True).passes == passes


def test_units_that_are_off_are_passed_over() -> None:
    assert call({"enabled": False, "module": "nothing like it"}, {}, None, False, CANNY).controls == (
        Control(image=FILE, preprocessor="canny", model="control_v11p_sd15_canny"),
    )


def test_several_units_keep_their_order() -> None:
    depth = {**CANNY, "module": "depth_midas", "model": "control_v11f1p_sd15_depth [cfd03158]"}
    reader = {"module": "ip-adapter-auto", "model": "ip-adapter_sd15", "image": OTHER, "weight": 0.4}
    pose = {"module": "none", "model": "control_v11p_sd15_openpose", "image": PICTURE}
    request = call(CANNY, depth, reader, pose)
    assert [control.preprocessor for control in request.controls] == ["canny", "depth_midas", "none"]
    (found,) = request.image_prompts
    assert (found.model, found.weight, found.images) == ("ip-adapter_sd15", 0.4, (base64.b64decode(OTHER),))


@pytest.mark.parametrize("module", ["ip-adapter-auto", "ip-adapter_face_id_plus", "CLIP-ViT-H (IPAdapter)"])
def test_an_ip_adapter_is_an_image_prompt(module: str) -> None:
    assert adapted({"module": module, "weight": 0.7, "guidance_end": 0.5}) == ImagePrompt(
        images=(FILE,), model="ip-adapter_sd15", weight=0.7, end=0.5
    )


def test_an_image_prompt_may_have_several_pictures_and_a_region() -> None:
    two = [{"image": PICTURE, "mask": WHITE}, OTHER]
    found = adapted({"image": two})
    assert found.images == (FILE, base64.b64decode(OTHER)) and found.region == base64.b64decode(WHITE)
    assert adapted({"effective_region_mask": WHITE}).region == base64.b64decode(WHITE)


def test_where_a_call_begins_from_a_picture_that_picture_leads() -> None:
    bare = {"module": "canny", "model": "edges"}
    request = image(alwayson_scripts={"ControlNet": {"args": [bare]}})
    assert request.controls == (Control(preprocessor="canny", model="edges"),)
    adapter = {"module": "ip-adapter-auto", "model": "adapter"}
    files = [PICTURE, OTHER]
    found = asked(
        ImageToImage(init_images=files, batch_size=2, alwayson_scripts={"ControlNet": {"args": [adapter]}})
    ).requests
    assert [request.image_prompts[0].images for request in found] == [(FILE,), (base64.b64decode(OTHER),)]


def test_hints_are_shown_unless_a_unit_will_not() -> None:
    reader = {"module": "ip-adapter-auto", "model": "ip-adapter_sd15", "image": OTHER}
    units = [reader, CANNY, {**CANNY, "save_detected_map": False}, CANNY]
    assert asked(TextToImage(alwayson_scripts={"ControlNet": {"args": units}})).hints == (0, 2)


@pytest.mark.parametrize(
    ("unit", "told"),
    [
        ({"image": None}, "ControlNet 0 image is None"),
        ({"image": "https://example.org/fox.png"}, "ControlNet 0 image"),
        ({"image": 7}, "ControlNet 0 image is 7"),
        ({"image": [PICTURE, OTHER]}, "ControlNet 0 image is '2 pictures'"),
        ({"model": "None"}, "ControlNet 0 model is 'None'"),
        ({"weight": 3}, "ControlNet 0 weight is 3.0, allowed is at most 2"),
        ({"weight": "much"}, "ControlNet 0 weight is 'much', allowed is a number"),
        ({"guidance_start": 0.8, "guidance_end": 0.2}, "ControlNet 0 guidance_start"),
        ({"processor_res": 3}, "ControlNet 0 processor_res"),
        ({"resize_mode": "Stretch"}, "ControlNet 0 resize_mode is 'Stretch'"),
        ({"control_mode": 3}, "ControlNet 0 control_mode"),
        ({"hr_option": "Neither"}, "ControlNet 0 hr_option"),
        ({"union_control_type": "Smell"}, "ControlNet 0 union_control_type"),
        ({"ipadapter_input": "gASV"}, "ControlNet 0 ipadapter_input cannot be honoured"),
        ({"input_mode": "batch"}, "ControlNet 0 input_mode 'batch' cannot be honoured"),
        ({"input_mode": "merge"}, "input_mode"),
        ({"batch_images": "/pictures"}, "ControlNet 0 batch_images cannot be honoured"),
        ({"module": "ip-adapter_pulid"}, "PuLID"),
        ({"mask": WHITE}, "ControlNet 0 mask cannot be honoured with the preprocessor 'canny'"),
        ({"mask": WHITE, "module": "reference_only"}, "effective_region_mask"),
        ({"use_preview_as_input": True}, "ControlNet 0 generated_image"),
        ({"module": "ip-adapter-auto", "model": "None"}, "an IP-Adapter's name"),
        ({"module": "ip-adapter-auto", "advanced_weighting": [1.0]}, "advanced_weighting cannot be honoured"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_name(unit: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError) as caught:
        one(unit)
    assert told in caught.value.message


def test_more_units_than_a_request_holds_are_refused() -> None:
    with pytest.raises(RequestError, match="ControlNet units"):
        call(*[CANNY] * (MOST_UNITS + 1))


def test_a_hint_is_cut_as_its_picture_is() -> None:
    unit = {**CANNY, "inpaint_crop_input_image": False}
    with pytest.raises(RequestError, match="inpaint_crop_input_image"):
        image(mask=WHITE, alwayson_scripts={"ControlNet": {"args": [unit]}})
    assert image(mask=WHITE, inpaint_full_res=False, alwayson_scripts={"ControlNet": {"args": [unit]}}).controls


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 2000) | st.floats(allow_nan=False) | st.sampled_from([PICTURE, "x"]),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(["image", "mask"]), inside),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*Unit.model_fields, "mask_image", "guidance"]), JSON, max_size=6))
def test_any_unit_makes_a_control_or_one_clear_line(unit: dict[str, Any]) -> None:
    try:
        request = call({**CANNY, **unit})
    except RequestError as error:
        assert error.message and "\n" not in error.message
    else:
        assert len(request.controls) + len(request.image_prompts) == bool(
            {**CANNY, **unit}.get("enabled", True) or unit.get("enabled") is None
        )
