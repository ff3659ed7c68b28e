"""From A1111's words to a request: what each field means, what is refused by name, and what is passed over."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from easel.api.a1111.chosen import MOST_PICTURES, asked
from easel.api.a1111.infotexts import filled
from easel.api.a1111.options import ONLY, USUAL, checked
from easel.api.a1111.prompts import uncommented
from easel.api.a1111.wire import ImageToImage, TextToImage
from easel.core.errors import BadValue, EaselError, RequestError, UnknownName, Unsupported
from easel.core.finishing import Faces
from easel.core.request import Request
from easel.prompt.styles import Style
from easel.prompt.wildcards import Wildcards
from tests.api.a1111.bodies import image, picture, text


def at(request: Request, place: str) -> Any:
    value: Any = request
    for name in place.split("."):
        value = value[name] if isinstance(value, dict) else getattr(value, name)
    return value


SHARED = {
    "prompt": "", "negative_prompt": "", "styles": None, "seed": -1, "subseed": -1, "subseed_strength": 0,
    "seed_resize_from_h": -1, "seed_resize_from_w": -1, "sampler_name": None, "scheduler": None, "batch_size": 1,
    "n_iter": 1, "steps": 50, "cfg_scale": 7.0, "width": 512, "height": 512, "restore_faces": None, "tiling": None,
    "do_not_save_samples": False, "do_not_save_grid": False, "eta": None, "denoising_strength": 0.75,
    "s_min_uncond": None, "s_churn": None, "s_tmax": None, "s_tmin": None, "s_noise": None, "override_settings": None,
    "override_settings_restore_afterwards": True, "refiner_checkpoint": None, "refiner_switch_at": None,
    "disable_extra_networks": False, "firstpass_image": None, "comments": None, "force_task_id": None,
    "sampler_index": "Euler", "script_name": None, "script_args": [], "send_images": True, "save_images": False,
    "alwayson_scripts": {}, "infotext": None,
}  # fmt: skip
TEXT = {
    "enable_hr": False, "firstphase_width": 0, "firstphase_height": 0, "hr_scale": 2.0, "hr_upscaler": None,
    "hr_second_pass_steps": 0, "hr_resize_x": 0, "hr_resize_y": 0, "hr_checkpoint_name": None, "hr_sampler_name": None,
    "hr_scheduler": None, "hr_prompt": "", "hr_negative_prompt": "",
}  # fmt: skip
IMAGE = {
    "init_images": [], "resize_mode": 0, "image_cfg_scale": None, "mask": None, "mask_blur_x": 4, "mask_blur_y": 4,
    "mask_blur": None, "mask_round": True, "inpainting_fill": 0, "inpaint_full_res": True,
    "inpaint_full_res_padding": 0, "inpainting_mask_invert": 0, "initial_noise_multiplier": None, "latent_mask": None,
    "include_init_images": False,
}  # fmt: skip
FORGE = {"distilled_cfg_scale": None}


def test_bodies_have_their_fields_and_defaults() -> None:
    assert TextToImage().model_dump() == {**SHARED, **TEXT, **FORGE, "hr_cfg": None, "hr_additional_modules": None}
    assert ImageToImage().model_dump() == {**SHARED, **IMAGE, **FORGE}
    echoed = TextToImage().model_dump()
    assert TextToImage.model_validate(echoed) == TextToImage()


def test_lists_and_choices_are_drawn_for_each_picture(tmp_path: Path) -> None:
    (tmp_path / "animal.txt").write_text("fox\nowl\n")
    wire = TextToImage(prompt="a {red|blue} __animal__", seed=3, batch_size=8)
    found = asked(wire, wildcards=Wildcards(tmp_path)).requests
    assert [request.seeds for request in found] == [(seed,) for seed in range(3, 11)]
    assert len({request.prompt for request in found}) > 1
    assert {request.prompt for request in found} <= {f"a {c} {a}" for c in ("red", "blue") for a in ("fox", "owl")}


def test_silence_means_what_it_means_there() -> None:
    request = asked(TextToImage()).requests[0]
    assert (request.steps, request.width, request.height, request.guidance.scale) == (50, 512, 512, 7.0)
    assert (request.sampler, request.schedule, request.noise, request.batch_size) == ("Euler", "Automatic", "NV", 1)
    assert request.seed is not None and request.recipe == "text_to_image" and request.hires is None
    assert (
        asked(TextToImage(prompt=None, steps=None, cfg_scale=None, seed=1)).requests[0]
        == asked(TextToImage(seed=1)).requests[0]
    )


@pytest.mark.parametrize(
    ("fields", "place", "value"),
    [
        ({"negative_prompt": "fog"}, "negative_prompt", "fog"),
        ({"seed": 12}, "seed", 12),
        ({"subseed": 5, "subseed_strength": 0.25}, "variation.seed", 5),
        ({"subseed": 5, "subseed_strength": 0.25}, "variation.strength", 0.25),
        ({"seed_resize_from_w": 256, "seed_resize_from_h": 320}, "variation.resize_from", (256, 320)),
        ({"sampler_name": "Euler a"}, "sampler", "Euler a"),
        ({"sampler_index": "DPM++ 2M SDE"}, "sampler", "DPM++ 2M SDE"),
        ({"sampler_name": "k_dpmpp_2m_ka"}, "schedule", "Karras"),
        ({"sampler_name": "DPM++ 2M Karras", "scheduler": "Exponential"}, "schedule", "Karras"),
        ({"scheduler": "exponential"}, "schedule", "Exponential"),
        ({"batch_size": 3}, "batch_size", 3),
        ({"steps": 9}, "steps", 9),
        ({"cfg_scale": 4.5}, "guidance.scale", 4.5),
        ({"width": 645}, "width", 640),
        ({"height": 264}, "height", 264),
        ({"tiling": True}, "seamless", "xy"),
        ({"restore_faces": True}, "faces", (Faces(restorer="CodeFormer"),)),
        ({"restore_faces": False, "override_settings": {"face_restoration": True}}, "faces", ()),
        ({"eta": 0.5, "sampler_name": "Euler a"}, "sampler_options.eta", 0.5),
        ({"s_churn": 3.0, "s_noise": 1.01}, "sampler_options.s_churn", 3.0),
        ({"s_min_uncond": 1.5}, "shortcuts.ngms", 1.5),
        ({"distilled_cfg_scale": 2.5}, "guidance.distilled", 2.5),
        ({"refiner_checkpoint": "fine [0123456789]", "refiner_switch_at": 0.6}, "refiner.model", "fine"),
        ({"refiner_checkpoint": "fine", "refiner_switch_at": 0.6}, "refiner.switch_at", 0.6),
        ({"enable_hr": True}, "hires.scale", 2.0),
        ({"enable_hr": True, "denoising_strength": 0.4}, "hires.strength", 0.4),
        ({"enable_hr": True}, "hires.upscaler", "Latent"),
        ({"enable_hr": True, "hr_upscaler": "Lanczos"}, "hires.upscaler", "Lanczos"),
        ({"enable_hr": True, "hr_second_pass_steps": 8}, "hires.steps", 8),
        ({"enable_hr": True, "hr_resize_x": 768}, "hires.width", 768),
        ({"enable_hr": True, "hr_sampler_name": "Heun"}, "hires.sampler", "Heun"),
        ({"enable_hr": True, "hr_sampler_name": "Use same sampler"}, "hires.sampler", None),
        ({"enable_hr": True, "hr_scheduler": "Karras"}, "hires.schedule", "Karras"),
        ({"enable_hr": True, "hr_prompt": "a large fox"}, "hires.prompt", "a large fox"),
        ({"enable_hr": True, "hr_negative_prompt": "mist"}, "hires.negative_prompt", "mist"),
        ({"enable_hr": True, "hr_cfg": 3.0}, "hires.cfg_scale", 3.0),
        ({"enable_hr": True, "width": 1024, "firstphase_width": 512, "firstphase_height": 384}, "width", 512),
        ({"enable_hr": True, "width": 1024, "firstphase_width": 512, "firstphase_height": 384}, "hires.width", 1024),
        ({"disable_extra_networks": True, "prompt": "a <lora:x:1>fox"}, "prompt", "a fox"),
        ({"prompt": "a fox # not this\n# nor this\nin snow"}, "prompt", "a fox \nin snow"),
        ({"alwayson_scripts": {"Refiner": {"args": [True, "fine", 0.7]}}}, "refiner.switch_at", 0.7),
        ({"alwayson_scripts": {"Seed": {"args": [3, True, 4, 0.5, 0, 0]}}}, "variation.seed", 4),
        ({"alwayson_scripts": {"Sampler": {"args": [11, "Heun", "Karras"]}}}, "steps", 11),
        ({"alwayson_scripts": {"ControlNet": {"args": [{"enabled": False}]}, "ADetailer": {"args": []}}}, "steps", 50),
    ],
)  # fmt: skip
def test_a_field_of_txt2img_goes_where_it_belongs(fields: dict[str, Any], place: str, value: Any) -> None:
    assert at(text(**fields), place) == value


@pytest.mark.parametrize(
    ("setting", "value", "place", "expected"),
    [
        ("sd_model_checkpoint", "anime.safetensors [0123456789]", "model", "anime.safetensors"),
        ("sd_vae", "soft.safetensors", "components.vae", "soft.safetensors"),
        ("sd_vae", "Automatic", "components.vae", None),
        ("CLIP_stop_at_last_layers", 2, "words.clip_skip", 2),
        ("emphasis", "No norm", "words.emphasis", "No norm"),
        ("comma_padding_backtrack", 5, "words.comma_backtrack", 5),
        ("use_old_scheduling", True, "words.old_editing", True),
        ("eta_noise_seed_delta", 31337, "ensd", 31337),
        ("randn_source", "CPU", "noise", "CPU"),
        ("randn_source", "GPU", "noise", "NV"),
        ("sigma_min", 0.1, "schedule_options.sigma_min", 0.1),
        ("skip_early_cond", 0.2, "guidance.start", 0.2),
        ("tiling", True, "seamless", "xy"),
        ("face_restoration", True, "faces", (Faces(restorer="CodeFormer"),)),
        ("s_min_uncond", 2.0, "shortcuts.ngms", 2.0),
        ("live_previews_enable", False, "preview_every", 0),
        ("show_progress_every_n_steps", 3, "preview_every", 3),
        ("a setting of an extension", {"any": "thing"}, "steps", 50),
    ],
)
def test_a_setting_goes_where_it_belongs(setting: str, value: Any, place: str, expected: Any) -> None:
    assert at(text(override_settings={setting: value}), place) == expected
    kept = asked(TextToImage(prompt="a fox", seed=7), {**USUAL, **checked({setting: value})}).requests[0]
    assert at(kept, place) == expected


def test_the_restorer_of_faces_is_a_setting() -> None:
    settings = {"face_restoration_model": "GFPGAN", "code_former_weight": 0.2}
    request = text(restore_faces=True, override_settings=settings)
    assert request.faces == (Faces(restorer="GFPGAN", fidelity=0.2),)


def test_settings_of_a_sampler_reach_the_samplers_that_have_them() -> None:
    settings = {"eta_ancestral": 0.3, "eta_ddim": 0.7, "rho": 5.0, "beta_dist_alpha": 0.8, "uni_pc_order": 2}
    found = {
        name: text(sampler_name=name, scheduler=schedule, override_settings=settings)
        for name, schedule in (("Euler a", "Karras"), ("DDIM", "Beta"), ("UniPC", "Automatic"), ("LMS", "Uniform"))
    }
    assert found["Euler a"].sampler_options == {"eta": 0.3} and found["Euler a"].schedule_options == {"rho": 5.0}
    assert found["DDIM"].sampler_options == {"eta": 0.7} and found["DDIM"].schedule_options == {"alpha": 0.8}
    assert found["UniPC"].sampler_options == {"order": 2}
    assert found["LMS"].sampler_options == {} and found["LMS"].schedule_options == {}


@pytest.mark.parametrize("setting", ONLY)
def test_a_setting_that_cannot_be_honoured_is_refused_unless_it_asks_for_nothing(setting: str) -> None:
    for usual in ONLY[setting]:
        assert checked({setting: usual}) == {}
    with pytest.raises(Unsupported, match=setting):
        checked({setting: "something else"})


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"firstpass_image": "QUJD"}, "firstpass_image"),
        ({"enable_hr": True, "hr_checkpoint_name": "other"}, "hr_checkpoint_name"),
        ({"cfg_scale": 200}, "cfg_scale"),
        ({"seed": -2}, "seed"),
        ({"subseed_strength": 2}, "subseed_strength"),
        ({"width": 3}, "width"),
        ({"steps": 0}, "steps"),
        ({"sampler_name": "Eular"}, "nearest 'Euler'"),
        ({"scheduler": "Karas"}, "nearest 'Karras'"),
        ({"styles": ["none such"]}, "none such"),
        ({"n_iter": MOST_PICTURES + 1}, "n_iter"),
        ({"override_settings": {"CLIP_stop_at_last_layers": "two"}}, "CLIP_stop_at_last_layers"),
        ({"override_settings": {"randn_source": "TPU"}}, "randn_source"),
        ({"script_name": "no such script"}, "no such script"),
        ({"script_name": "sd upscale"}, "sd upscale"),
        ({"alwayson_scripts": {"No such": {"args": []}}}, "always on script"),
        ({"alwayson_scripts": {"ControlNet": {"args": [{"module": "canny"}]}}}, "ControlNet"),
        ({"alwayson_scripts": {"ControlNet": {"args": ["canny"]}}}, "ControlNet 0"),
        ({"alwayson_scripts": {"Hypertile": {"args": [True]}}}, "Hypertile"),
        ({"alwayson_scripts": {"Refiner": {"args": [True, "fine", 7]}}}, "Switch at"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_name_there(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        text(**fields)


def test_unknown_fields_are_passed_over() -> None:
    assert text(a_field_of_tomorrow=[1, {"two": 3}]) == text()


def test_batches_follow_one_another() -> None:
    call = asked(TextToImage(prompt="a fox", seed=100, batch_size=2, n_iter=3))
    assert [seed for request in call.requests for seed in request.seeds] == list(range(100, 106))
    varied = asked(TextToImage(seed=100, subseed=9, subseed_strength=0.1, batch_size=2, n_iter=2)).requests
    assert [seed for request in varied for seed in request.variation_seeds] == [9, 10, 11, 12]
    assert {seed for request in varied for seed in request.seeds} == {100}


def test_styles_are_laid_on() -> None:
    styles = {"ink": Style("ink", "ink drawing of {prompt}", "colour")}
    request = asked(TextToImage(prompt="a fox", negative_prompt="fog", styles=["ink"]), styles=styles).requests[0]
    assert (request.prompt, request.negative_prompt) == ("ink drawing of a fox", "fog, colour")


@pytest.mark.parametrize(
    ("fields", "place", "value"),
    [
        ({}, "recipe", "image_to_image"),
        ({"denoising_strength": 0.3}, "start.strength", 0.3),
        ({"resize_mode": 2}, "start.resize", "resize and fill"),
        ({"resize_mode": 3}, "start.resize", "latent resize"),
        ({"initial_noise_multiplier": 1.2}, "start.noise_multiplier", 1.2),
        ({"override_settings": {"initial_noise_multiplier": 0.9}}, "start.noise_multiplier", 0.9),
        ({"override_settings": {"img2img_extra_noise": 0.1}}, "start.extra_noise", 0.1),
        ({"override_settings": {"img2img_color_correction": True}}, "start.match_colours", True),
        ({"override_settings": {"img2img_fix_steps": True}}, "start.all_steps", True),
        ({"mask": picture()}, "recipe", "inpaint"),
        ({"mask": picture()}, "mask.fill", "fill"),
        ({"mask": picture(), "inpainting_fill": 2}, "mask.fill", "latent noise"),
        ({"mask": picture()}, "mask.only_masked", True),
        ({"mask": picture(), "inpaint_full_res": 0}, "mask.only_masked", False),
        ({"mask": picture(), "inpaint_full_res_padding": 16}, "mask.padding", 16),
        ({"mask": picture(), "inpainting_mask_invert": 1}, "mask.invert", True),
        ({"mask": picture()}, "mask.blur", 4),
        ({"mask": picture(), "mask_blur": 9}, "mask.blur", 9),
        ({"mask": picture(), "mask_blur_x": 6, "mask_blur_y": 6}, "mask.blur", 6),
        ({"mask": picture(), "override_settings": {"inpainting_mask_weight": 0.5}}, "mask.weight", 0.5),
        ({"mask": picture(mode="RGBA", colour=(0, 0, 0, 9))}, "mask.channel", "alpha"),
        ({"mask": picture(mode="RGBA", colour=(0, 0, 0, 255))}, "mask.channel", "light"),
        (
            {"mask": picture(), "alwayson_scripts": {"Soft Inpainting": {"args": [True, 2, 0.25, 5, 0.1, 0.4, 3]}}},
            "mask.soft.schedule_bias",
            2,
        ),
        ({"mask": picture(), "alwayson_scripts": {"Soft Inpainting": {"args": [False]}}}, "mask.soft", None),
    ],
)
def test_a_field_of_img2img_goes_where_it_belongs(fields: dict[str, Any], place: str, value: Any) -> None:
    assert at(image(**fields), place) == value


def test_a_mask_of_another_size_is_brought_to_its_pictures() -> None:
    mask = image(mask=picture((32, 32))).mask
    assert mask is not None and mask.image is not None
    assert Image.open(io.BytesIO(mask.image)).size == (64, 48)


def test_several_pictures_to_begin_from_are_a_batch() -> None:
    files = [picture(colour=10), picture(colour=200)]
    call = asked(ImageToImage(init_images=files, batch_size=2, n_iter=2, seed=5))
    assert [request.seeds for request in call.requests] == [(5,), (6,), (7,), (8,)]
    starts = [request.start.image for request in call.requests if request.start]
    assert starts[0] == starts[2] == base64.b64decode(files[0]) and starts[1] == starts[3] != starts[0]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"init_images": []}, "init_images"),
        ({"init_images": [picture(), picture()]}, "init_images"),
        ({"init_images": ["https://example.org/fox.png"]}, "addresses are not fetched"),
        ({"init_images": ["not base64!"]}, "init_images 0"),
        ({"init_images": [""]}, "init_images 0"),
        ({"mask": picture(), "mask_blur_x": 1, "mask_blur_y": 2}, "mask_blur_x"),
        ({"mask": picture(), "latent_mask": picture()}, "latent_mask"),
        ({"mask": picture(), "mask_round": False}, "mask_round"),
        ({"mask": "AAAA"}, "mask"),
        ({"alwayson_scripts": {"Soft Inpainting": {"args": [True]}}}, "Soft Inpainting"),
        ({"denoising_strength": 1.5}, "denoising_strength"),
    ],
)
def test_pictures_that_cannot_be_used_are_refused_by_name(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        image(**fields)


def test_a_data_uri_is_a_picture_too() -> None:
    bare = picture()
    assert image(init_images=[f"data:image/png;base64,{bare}"]) == image(init_images=[bare])


INFOTEXT = (
    "a red fox\nNegative prompt: fog\nSteps: 9, Sampler: Heun, Schedule type: Karras, CFG scale: 4.5, Seed: 77, "
    "Size: 256x320, Denoising strength: 0.4, Clip skip: 2, RNG: CPU, Hires upscale: 1.5, Hires upscaler: Lanczos, "
    "Hires steps: 3, ENSD: 31337, Version: v1.10.1"
)


def test_an_infotext_fills_what_the_body_leaves_out() -> None:
    request = asked(filled(TextToImage(infotext=INFOTEXT, steps=20))).requests[0]
    assert (request.prompt, request.negative_prompt, request.steps, request.seed) == ("a red fox", "fog", 20, 77)
    assert (request.sampler, request.schedule, request.width, request.height) == ("Heun", "Karras", 256, 320)
    assert (request.words.clip_skip, request.noise, request.ensd) == (2, "CPU", 31337)
    assert request.hires is not None
    assert (request.hires.scale, request.hires.upscaler, request.hires.steps) == (1.5, "Lanczos", 3)
    assert request.hires.strength == 0.4


def test_a_setting_of_the_body_outweighs_the_infotext() -> None:
    wire = filled(TextToImage(infotext=INFOTEXT, override_settings={"CLIP_stop_at_last_layers": 1}))
    assert asked(wire).requests[0].words.clip_skip == 1


def test_an_infotext_with_a_broken_value_names_its_field() -> None:
    with pytest.raises(BadValue, match="steps"):
        filled(TextToImage(infotext="a fox\nSteps: many, Sampler: Euler, Seed: 1"))


@given(st.text(alphabet="ab#\n ", max_size=40))
def test_comments_are_taken_out_and_nothing_else(prompt: str) -> None:
    found = uncommented(prompt)
    assert "#" not in found
    if "#" not in prompt:
        assert found == prompt


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 2000) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*TextToImage.model_fields]), JSON, max_size=6))
def test_any_body_makes_requests_or_one_clear_line(body: dict[str, Any]) -> None:
    try:
        wire = TextToImage.model_validate(body)
    except ValueError:
        return
    try:
        call = asked(filled(wire))
    except EaselError as error:
        assert isinstance(error, RequestError) and error.message and "\n" not in error.message
    else:
        assert all(isinstance(request, Request) and request.seed is not None for request in call.requests)


def test_unknown_names_are_never_a_default() -> None:
    with pytest.raises(UnknownName):
        text(override_settings={}, sampler_name="nothing like it")
