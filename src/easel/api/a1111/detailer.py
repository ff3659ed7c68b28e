"""What ADetailer's clients send, and the details of a request that it means.

An unknown field is an error, as it is there. `ad_model` names a detector's file of the models folder, "mediapipe_face_"
something for frontal faces, or, Easel's own, "words: face" for where the model itself looks for these words.
Finds nothing; which detectors there are is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import ConfigDict, Field

from easel.api.a1111.asked import Fields, cut, model_name, other, restorer
from easel.api.a1111.options import Options
from easel.api.a1111.wire import Wire, given_to
from easel.core.control import Control
from easel.core.detail import Detail
from easel.core.errors import BadValue, Unsupported
from easel.sampling import schedules, split_joint_name

SCRIPT = "adetailer"  # what calls name it, in small letters
WORDS = "words:"
FACES = ("mediapipe_face_full", "mediapipe_face_short", "mediapipe_face_mesh")
EYES = "mediapipe_face_mesh_eyes_only"
SAME = ("", "none", "automatic", "use same checkpoint", "use same vae")
PASSTHROUGH = "passthrough"

# The preprocessor that goes with a control model, by what the model's name says; the first that fits.
MODULES: Mapping[str, str] = {
    "inpaint": "inpaint_only",
    "scribble": "scribble_xdog",
    "sketch": "scribble_xdog",
    "lineart": "lineart_standard",
    "openpose": "openpose_full",
    "tile": "tile_resample",
    "depth": "depth_midas",
    "softedge": "softedge",
    "canny": "canny",
    "edges": "canny",
}


class DetailArgs(Wire):
    """One tab of ADetailer. is_api: told by its own clients, and asked of nobody."""

    model_config = ConfigDict(extra="forbid")

    ad_model: str = "None"
    ad_model_classes: str = ""
    ad_tab_enable: bool = True
    ad_prompt: str = ""
    ad_negative_prompt: str = ""
    ad_confidence: float = Field(default=0.3, ge=0, le=1)
    ad_mask_filter_method: Literal["Area", "Confidence"] = "Area"
    ad_mask_k: int = Field(default=0, ge=0)
    ad_mask_min_ratio: float = Field(default=0.0, ge=0, le=1)
    ad_mask_max_ratio: float = Field(default=1.0, ge=0, le=1)
    ad_dilate_erode: int = 4
    ad_x_offset: int = 0
    ad_y_offset: int = 0
    ad_mask_merge_invert: Literal["None", "Merge", "Merge and Invert"] = "None"
    ad_mask_blur: int = Field(default=4, ge=0)
    ad_denoising_strength: float = Field(default=0.4, ge=0, le=1)
    ad_inpaint_only_masked: bool = True
    ad_inpaint_only_masked_padding: int = Field(default=32, ge=0)
    ad_use_inpaint_width_height: bool = False
    ad_inpaint_width: int = Field(default=512, gt=0)
    ad_inpaint_height: int = Field(default=512, gt=0)
    ad_use_steps: bool = False
    ad_steps: int = Field(default=28, gt=0)
    ad_use_cfg_scale: bool = False
    ad_cfg_scale: float = Field(default=7.0, ge=0)
    ad_use_checkpoint: bool = False
    ad_checkpoint: str | None = None
    ad_use_vae: bool = False
    ad_vae: str | None = None
    ad_use_sampler: bool = False
    ad_sampler: str = "DPM++ 2M Karras"
    ad_scheduler: str = "Use same scheduler"
    ad_use_noise_multiplier: bool = False
    ad_noise_multiplier: float = Field(default=1.0, ge=0.5, le=1.5)
    ad_use_clip_skip: bool = False
    ad_clip_skip: int = Field(default=1, ge=1, le=12)
    ad_restore_face: bool = False
    ad_controlnet_model: str = "None"
    ad_controlnet_module: str = "None"
    ad_controlnet_weight: float = Field(default=1.0, ge=0, le=1)
    ad_controlnet_guidance_start: float = Field(default=0.0, ge=0, le=1)
    ad_controlnet_guidance_end: float = Field(default=1.0, ge=0, le=1)
    is_api: Any = True


@dataclass(frozen=True, slots=True)
class Details:
    """The tabs of a call that are in use, each with what it is called in messages.

    skip: whether img2img does nothing else with its picture.
    """

    tabs: tuple[tuple[str, DetailArgs], ...] = ()
    skip: bool = False


def details_in(arguments: Sequence[Any]) -> Details:
    """Return what ADetailer's arguments ask for. Raises UnknownName or BadValue that names the tab and the field.

    They begin with whether it is switched on and whether img2img is skipped; both may be left out.
    """
    flags = [one for one in arguments[:2] if isinstance(one, bool)]
    if flags[:1] == [False]:
        return Details()
    found: list[tuple[str, DetailArgs]] = []
    for place, given in enumerate(arguments[len(flags) :]):
        if given is None:
            continue
        name = f"ADetailer {place}"
        if not isinstance(given, Mapping):
            raise BadValue(name, cast("object", given), "an object of its fields")
        tab = given_to("ADetailer", DetailArgs, cast("Mapping[str, Any]", given), name)
        if tab.ad_tab_enable and tab.ad_model.strip().casefold() not in ("", "none"):
            found.append((name, tab))
    return Details(tuple(found), skip=bool(found) and flags[1:] == [True])


def detail_of(name: str, tab: DetailArgs, options: Options, size: tuple[int, int] | None = None) -> Detail:
    """Return a tab as a part of a request. Raises RequestError that names the tab's field.

    size: width and height of the work where the tab says none, None for the picture's own.
    """
    if tab.ad_use_inpaint_width_height:
        size = cut(tab.ad_inpaint_width), cut(tab.ad_inpaint_height)
    fields: Fields = {
        **finder(name, tab),
        "prompt": tab.ad_prompt,
        "negative_prompt": tab.ad_negative_prompt,
        "confidence": tab.ad_confidence,
        "least": tab.ad_mask_min_ratio,
        "greatest": tab.ad_mask_max_ratio,
        "order": "area" if tab.ad_mask_k and tab.ad_mask_filter_method == "Area" else "confidence",
        "most": tab.ad_mask_k,
        "grow": tab.ad_dilate_erode,
        "move_x": tab.ad_x_offset,
        "move_y": tab.ad_y_offset,
        "merge": {"None": "", "Merge": "merge", "Merge and Invert": "invert"}[tab.ad_mask_merge_invert],
        "blur": tab.ad_mask_blur,
        "strength": tab.ad_denoising_strength,
        "only_masked": tab.ad_inpaint_only_masked,
        "padding": tab.ad_inpaint_only_masked_padding,
        **({"width": size[0], "height": size[1]} if size else {}),
        **own(tab),
        "faces": restorer(options) if tab.ad_restore_face else None,
    }
    try:
        return Detail(**fields, controls=control_of(name, tab))
    except BadValue as error:
        field = error.field.removeprefix(Detail.spoken)
        raise BadValue(f"{name} {CALLED.get(field, field)}", error.got, error.allowed, remedy=error.remedy) from None


CALLED: Mapping[str, str] = {
    "find": "ad_model",
    "classes": "ad_model_classes",
    "least": "ad_mask_min_ratio",
    "greatest": "ad_mask_max_ratio",
    "most": "ad_mask_k",
    "grow": "ad_dilate_erode",
    "move_x": "ad_x_offset",
    "move_y": "ad_y_offset",
    "blur": "ad_mask_blur",
    "strength": "ad_denoising_strength",
    "padding": "ad_inpaint_only_masked_padding",
    "width": "ad_inpaint_width",
    "height": "ad_inpaint_height",
    "prompt": "ad_prompt",
    "negative_prompt": "ad_negative_prompt",
    "cfg_scale": "ad_cfg_scale",
    "steps": "ad_steps",
    "controls.start": "ad_controlnet_guidance_start",
}


def finder(name: str, tab: DetailArgs) -> Fields:
    """Return how a tab finds its regions; a detector's file may be named with an ending that it has not here."""
    model = tab.ad_model.strip()
    if model.casefold().startswith(WORDS):
        return {"by": "words", "find": model[len(WORDS) :].strip()}
    if model.casefold() == EYES:
        remedy = 'take "words: eyes", or a detector\'s file'
        raise Unsupported(f"{name} ad_model {model!r} cannot be honoured; {remedy}.")
    if model.casefold() in FACES:
        return {"by": "faces"}
    classes = tuple(one.strip() for one in tab.ad_model_classes.split(",") if one.strip())
    return {"by": "model", "find": without_ending(model), "classes": classes}


def without_ending(model: str) -> str:
    """Return a detector's name without the ending of its file."""
    for ending in (".pt", ".onnx"):
        if model.casefold().endswith(ending):
            return model[: -len(ending)]
    return model


def own(tab: DetailArgs) -> Fields:
    """Return what a tab uses of its own instead of the picture's."""
    found: Fields = {}
    if tab.ad_use_steps:
        found["steps"] = tab.ad_steps
    if tab.ad_use_cfg_scale:
        found["cfg_scale"] = tab.ad_cfg_scale
    if tab.ad_use_noise_multiplier:
        found["noise_multiplier"] = tab.ad_noise_multiplier
    if tab.ad_use_clip_skip:
        found["clip_skip"] = tab.ad_clip_skip
    if tab.ad_use_checkpoint and (model := chosen(tab.ad_checkpoint)):
        found["model"] = model
    if tab.ad_use_vae and (vae := chosen(tab.ad_vae)):
        found["components"] = {"vae": vae}
    if tab.ad_use_sampler and (sampler := other(tab.ad_sampler)):
        found["sampler"], joined = split_joint_name(sampler)
        schedule = joined or other(tab.ad_scheduler)
        if schedule:
            found["schedule"] = schedules[schedule].name
    return found


def chosen(name: str | None) -> str:
    """Return a file's name without its hash, "" where the picture's own is meant."""
    return "" if (name or "").strip().casefold() in SAME else model_name(name or "")


def control_of(name: str, tab: DetailArgs) -> tuple[Control, ...]:
    """Return the control model that leads the work on a region, whose own pixels are its picture."""
    model = tab.ad_controlnet_model.strip()
    if model.casefold() == PASSTHROUGH:
        remedy = "name the model, or leave it at None"
        raise Unsupported(f"{name} ad_controlnet_model {model!r} cannot be honoured; {remedy}.")
    if not model_name(model):
        return ()
    module = tab.ad_controlnet_module.strip()
    if module.casefold() in ("", "none"):
        module = next((fits for word, fits in MODULES.items() if word in model.casefold()), "none")
    return (
        Control(
            model=model_name(model),
            preprocessor=module,
            weight=tab.ad_controlnet_weight,
            start=tab.ad_controlnet_guidance_start,
            end=tab.ad_controlnet_guidance_end,
            pixel_perfect=True,
        ),
    )
