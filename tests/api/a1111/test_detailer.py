"""ADetailer's arguments as its clients send them, and what they mean in a request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.api.a1111.detailer import DetailArgs
from easel.core.control import Control
from easel.core.detail import Detail
from easel.core.errors import RequestError, UnknownName
from easel.core.finishing import Faces
from easel.core.passes import Components
from easel.core.request import Request
from tests.api.a1111.bodies import image, picture, text

FACE = {"ad_model": "face_yolov8n.pt"}

# Every field of a tab, as ADetailer's documentation shows them.
WHOLE = {
    "ad_model": "face_yolov8n.pt",
    "ad_model_classes": "",
    "ad_tab_enable": True,
    "ad_prompt": "a smile",
    "ad_negative_prompt": "blurry",
    "ad_confidence": 0.4,
    "ad_mask_filter_method": "Area",
    "ad_mask_k": 2,
    "ad_mask_min_ratio": 0.01,
    "ad_mask_max_ratio": 0.9,
    "ad_dilate_erode": 8,
    "ad_x_offset": -3,
    "ad_y_offset": 5,
    "ad_mask_merge_invert": "Merge",
    "ad_mask_blur": 6,
    "ad_denoising_strength": 0.5,
    "ad_inpaint_only_masked": True,
    "ad_inpaint_only_masked_padding": 48,
    "ad_use_inpaint_width_height": True,
    "ad_inpaint_width": 516,
    "ad_inpaint_height": 640,
    "ad_use_steps": True,
    "ad_steps": 12,
    "ad_use_cfg_scale": True,
    "ad_cfg_scale": 5.5,
    "ad_use_checkpoint": True,
    "ad_checkpoint": "fine.safetensors [0123456789]",
    "ad_use_vae": True,
    "ad_vae": "soft.safetensors",
    "ad_use_sampler": True,
    "ad_sampler": "DPM++ 2M Karras",
    "ad_scheduler": "Use same scheduler",
    "ad_use_noise_multiplier": True,
    "ad_noise_multiplier": 1.1,
    "ad_use_clip_skip": True,
    "ad_clip_skip": 2,
    "ad_restore_face": True,
    "ad_controlnet_model": "control_v11p_sd15_inpaint [ebff9138]",
    "ad_controlnet_module": "inpaint_global_harmonious",
    "ad_controlnet_weight": 0.7,
    "ad_controlnet_guidance_start": 0.1,
    "ad_controlnet_guidance_end": 0.9,
}


def call(*arguments: Any, **fields: Any) -> Request:
    return text(alwayson_scripts={"ADetailer": {"args": list(arguments)}}, **fields)


def one(tab: dict[str, Any], **fields: Any) -> Detail:
    (found,) = call(True, False, {**FACE, **tab}, **fields).details
    return found


def test_a_whole_tab() -> None:
    assert one(WHOLE) == Detail(
        by="model",
        find="face_yolov8n",
        prompt="a smile",
        negative_prompt="blurry",
        confidence=0.4,
        least=0.01,
        greatest=0.9,
        order="area",
        most=2,
        grow=8,
        move_x=-3,
        move_y=5,
        merge="merge",
        blur=6,
        strength=0.5,
        padding=48,
        width=512,
        height=640,
        steps=12,
        cfg_scale=5.5,
        sampler="DPM++ 2M",
        schedule="Karras",
        clip_skip=2,
        noise_multiplier=1.1,
        model="fine.safetensors",
        components=Components(vae="soft.safetensors"),
        faces=Faces(restorer="CodeFormer"),
        controls=(
            Control(
                model="control_v11p_sd15_inpaint",
                preprocessor="inpaint_global_harmonious",
                weight=0.7,
                start=0.1,
                end=0.9,
                pixel_perfect=True,
            ),
        ),
    )


def test_silence_means_what_it_means_there() -> None:
    assert one({}) == Detail(by="model", find="face_yolov8n")


def test_what_is_not_in_use_is_not_asked_for() -> None:
    unused = {name: False for name in WHOLE if name.startswith("ad_use_")}
    plain = {**WHOLE, **unused, "ad_restore_face": False, "ad_controlnet_model": "None"}
    found = one(plain)
    assert (found.width, found.steps, found.cfg_scale, found.sampler, found.schedule, found.clip_skip) == (None,) * 6
    assert (found.model, found.components, found.noise_multiplier, found.faces, found.controls) == (None,) * 4 + ((),)


@pytest.mark.parametrize(
    ("tab", "field", "value"),
    [
        ({"ad_model": "words: face"}, "by", "words"),
        ({"ad_model": "words: left hand"}, "find", "left hand"),
        ({"ad_model": "mediapipe_face_full"}, "by", "faces"),
        ({"ad_model": "hand_yolov8n.onnx"}, "find", "hand_yolov8n"),
        ({"ad_model_classes": "person, cat"}, "classes", ("person", "cat")),
        ({"ad_mask_filter_method": "Confidence", "ad_mask_k": 1}, "order", "confidence"),
        ({"ad_mask_merge_invert": "Merge and Invert"}, "merge", "invert"),
        ({"ad_mask_merge_invert": "None"}, "merge", ""),
        ({"ad_use_sampler": True, "ad_sampler": "Euler a", "ad_scheduler": "Exponential"}, "schedule", "Exponential"),
        ({"ad_use_sampler": True, "ad_sampler": "Use same sampler"}, "sampler", None),
        ({"ad_use_checkpoint": True, "ad_checkpoint": "Use same checkpoint"}, "model", None),
        ({"ad_use_vae": True, "ad_vae": "Use same VAE"}, "components", None),
        ({"is_api": True}, "strength", 0.4),
    ],
)
def test_a_field_goes_where_it_belongs(tab: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(one(tab), field) == value


def test_a_control_model_brings_its_usual_preprocessor() -> None:
    (control,) = one({"ad_controlnet_model": "control_v11p_sd15_lineart [43d4be0d]"}).controls
    assert (control.model, control.preprocessor) == ("control_v11p_sd15_lineart", "lineart_standard")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [False, False, FACE],
        [True, False],
        [True, False, {"ad_model": "None"}],
        [True, {**FACE, "ad_tab_enable": False}],
        [{"ad_prompt": "a smile"}],
        [None],
    ],
)
def test_what_is_off_asks_for_nothing(arguments: list[Any]) -> None:
    assert call(*arguments).details == ()


@pytest.mark.parametrize("before", [[True, False], [True], []])
def test_tabs_follow_whether_it_is_on(before: list[bool]) -> None:
    found = call(*before, {**FACE, "ad_prompt": "one"}, {"ad_model": "None"}, {**FACE, "ad_prompt": "two"}).details
    assert [detail.prompt for detail in found] == ["one", "two"]


def test_regions_of_a_larger_picture_are_worked_on_at_the_first_pass_s_size() -> None:
    found = one({}, enable_hr=True, width=512, height=768)
    assert (found.width, found.height) == (512, 768)
    assert one({}, width=512, height=768).width is None


def test_img2img_that_is_skipped_works_over_regions_alone() -> None:
    arguments = [True, True, FACE]
    request = image(alwayson_scripts={"ADetailer": {"args": arguments}}, width=256, height=256, prompt="a fox")
    assert request.recipe == "detail" and request.width is None and request.start is not None
    assert [(one.width, one.height) for one in request.details] == [(256, 256)] and request.prompt == "a fox"
    assert image(alwayson_scripts={"ADetailer": {"args": [True, True]}}).recipe == "image_to_image"
    assert call(*arguments).recipe == "text_to_image"
    with pytest.raises(RequestError, match="skip_img2img"):
        image(mask=picture(), alwayson_scripts={"ADetailer": {"args": arguments}})


@pytest.mark.parametrize(
    ("tab", "told"),
    [
        ({"ad_confidance": 0.5}, "ADetailer field 'ad_confidance' is not known; nearest 'ad_confidence'"),
        ({"ad_confidence": 2}, "ADetailer 0 ad_confidence is 2, allowed is at most 1"),
        ({"ad_mask_blur": 99}, "ADetailer 0 ad_mask_blur"),
        ({"ad_dilate_erode": -500}, "ADetailer 0 ad_dilate_erode"),
        ({"ad_mask_min_ratio": 0.5, "ad_mask_max_ratio": 0.1}, "ADetailer 0 ad_mask_min_ratio"),
        ({"ad_mask_merge_invert": "Melt"}, "ADetailer 0 ad_mask_merge_invert"),
        ({"ad_model": "words:"}, "ADetailer 0 ad_model"),
        ({"ad_model": "mediapipe_face_mesh_eyes_only"}, "words: eyes"),
        ({"ad_use_sampler": True, "ad_sampler": "Eular"}, "nearest 'Euler'"),
        ({"ad_controlnet_model": "Passthrough"}, "ad_controlnet_model 'Passthrough' cannot be honoured"),
        (
            {"ad_controlnet_model": "x", "ad_controlnet_guidance_start": 1, "ad_controlnet_guidance_end": 0},
            "ADetailer 0 ad_controlnet_guidance_start",
        ),
        ({"ad_use_inpaint_width_height": True, "ad_inpaint_width": 5000}, "ADetailer 0 ad_inpaint_width"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_name(tab: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError) as caught:
        one(tab)
    assert told in caught.value.message


def test_a_tab_is_an_object() -> None:
    with pytest.raises(RequestError, match="ADetailer 0"):
        call(True, False, "face_yolov8n.pt")
    with pytest.raises(UnknownName):
        call({"prompt": "a smile", **FACE})


VALUE = st.none() | st.booleans() | st.integers(-300, 3000) | st.floats(-2, 2) | st.text(max_size=8)


@given(st.dictionaries(st.sampled_from([*DetailArgs.model_fields]), VALUE, max_size=6))
def test_any_tab_makes_a_detail_or_one_clear_line(tab: dict[str, Any]) -> None:
    try:
        request = call(True, False, {**FACE, **tab})
    except RequestError as error:
        assert error.message and "\n" not in error.message
    else:
        assert len(request.details) <= 1
