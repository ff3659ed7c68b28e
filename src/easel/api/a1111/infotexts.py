"""What an infotext fills in: the fields of a body that its sender left out, and the settings that it names.

Knows A1111's names of both; how an infotext is written stands in prompt/infotext.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from easel.api.a1111.extensions import scripts_of
from easel.api.a1111.options import USUAL
from easel.api.a1111.wire import Drawing
from easel.core.errors import BadValue
from easel.prompt.fields import option_value
from easel.prompt.infotext import Infotext, read, split_size

Drawn = TypeVar("Drawn", bound=Drawing)
Fields = dict[str, Any]


def as_it_is(text: str) -> str:
    """Return a value as it stands."""
    return text


def pasted(text: str) -> bool:
    """Return whether a field says yes; tiling says so of either direction too."""
    return text.casefold() in ("true", "xy")


def place_of(*words: str) -> Callable[[str], int]:
    """Return the reader of one word among several as its place."""

    def place(text: str) -> int:
        if text.casefold() not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return words.index(text.casefold())

    return place


# An infotext's field to the body's, and how its value is read where pydantic would not.
FILLS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "Steps": ("steps", as_it_is),
    "Sampler": ("sampler_name", as_it_is),
    "Schedule type": ("scheduler", as_it_is),
    "CFG scale": ("cfg_scale", as_it_is),
    "Distilled CFG Scale": ("distilled_cfg_scale", as_it_is),
    "Seed": ("seed", as_it_is),
    "Variation seed": ("subseed", as_it_is),
    "Variation seed strength": ("subseed_strength", as_it_is),
    "Face restoration": ("restore_faces", lambda text: text not in ("", "None")),
    "Tiling": ("tiling", pasted),
    "Denoising strength": ("denoising_strength", as_it_is),
    "Refiner": ("refiner_checkpoint", as_it_is),
    "Refiner switch at": ("refiner_switch_at", as_it_is),
    "Hires upscale": ("hr_scale", as_it_is),
    "Hires upscaler": ("hr_upscaler", as_it_is),
    "Hires steps": ("hr_second_pass_steps", as_it_is),
    "Hires checkpoint": ("hr_checkpoint_name", as_it_is),
    "Hires sampler": ("hr_sampler_name", as_it_is),
    "Hires schedule type": ("hr_scheduler", as_it_is),
    "Hires CFG Scale": ("hr_cfg", as_it_is),
    "Hires prompt": ("hr_prompt", as_it_is),
    "Hires negative prompt": ("hr_negative_prompt", as_it_is),
    "Resize mode": (
        "resize_mode",
        place_of("just resize", "crop and resize", "resize and fill", "just resize (latent upscale)"),
    ),
    "Image CFG scale": ("image_cfg_scale", as_it_is),
    "Mask blur": ("mask_blur", as_it_is),
    "Mask mode": ("inpainting_mask_invert", place_of("inpaint masked", "inpaint not masked")),
    "Masked content": ("inpainting_fill", place_of("fill", "original", "latent noise", "latent nothing")),
    "Inpaint area": ("inpaint_full_res", lambda text: text.casefold() == "only masked"),
    "Masked area padding": ("inpaint_full_res_padding", as_it_is),
}
SIZES = {
    "Size": ("width", "height"),
    "Seed resize from": ("seed_resize_from_w", "seed_resize_from_h"),
    "Hires resize": ("hr_resize_x", "hr_resize_y"),
}
HIRES = ("Hires upscale", "Hires upscaler", "Hires resize")

# An infotext's field to a setting.
SETS = {
    "Model": "sd_model_checkpoint",
    "VAE": "sd_vae",
    "Clip skip": "CLIP_stop_at_last_layers",
    "Emphasis": "emphasis",
    "ENSD": "eta_noise_seed_delta",
    "RNG": "randn_source",
    "Eta": "eta_ancestral",
    "Eta DDIM": "eta_ddim",
    "Sigma churn": "s_churn",
    "Sigma tmin": "s_tmin",
    "Sigma tmax": "s_tmax",
    "Sigma noise": "s_noise",
    "Schedule min sigma": "sigma_min",
    "Schedule max sigma": "sigma_max",
    "Schedule rho": "rho",
    "Beta schedule alpha": "beta_dist_alpha",
    "Beta schedule beta": "beta_dist_beta",
    "UniPC variant": "uni_pc_variant",
    "UniPC order": "uni_pc_order",
    "Skip Early CFG": "skip_early_cond",
    "Noise multiplier": "initial_noise_multiplier",
    "Extra noise": "img2img_extra_noise",
    "Conditional mask weight": "inpainting_mask_weight",
    "Token merging ratio": "token_merging_ratio",
    "Token merging ratio hr": "token_merging_ratio_hr",
    "NGMS": "s_min_uncond",
    "NGMS all steps": "s_min_uncond_all",
}


def filled(wire: Drawn) -> Drawn:
    """Return a body with what its infotext says where it does not speak itself. Raises BadValue naming the field."""
    if not wire.infotext:
        return wire
    said = read(wire.infotext)
    found = fields_of(said)
    known = type(wire).model_fields
    own: Fields = {name: getattr(wire, name) for name in wire.model_fields_set}
    own["override_settings"] = {**settings_of(said), **(wire.override_settings or {})}
    own["alwayson_scripts"] = scripts_of(said.fields, wire.alwayson_scripts)
    told = {name: value for name, value in found.items() if name in known}
    try:
        return type(wire).model_validate({**told, **own})
    except ValidationError as error:
        first = error.errors()[0]
        raise BadValue(f"infotext {first['loc'][0]}", first.get("input"), first["msg"].lower()) from None


def fields_of(said: Infotext) -> Fields:
    """Return the fields of a body that an infotext says."""
    found: Fields = {"prompt": said.prompt, "negative_prompt": said.negative}
    for name, (field, reader) in FILLS.items():
        if name in said.fields:
            try:
                found[field] = reader(said.fields[name])
            except ValueError as error:
                raise BadValue(f'infotext "{name}"', said.fields[name], str(error)) from None
    for name, sides in SIZES.items():
        size = split_size(said.fields.get(name, ""))
        if size:
            found |= dict(zip(sides, size, strict=True))
    if any(name in said.fields for name in HIRES):
        found["enable_hr"] = True
    return found


def settings_of(said: Infotext) -> Fields:
    """Return the settings that an infotext says, as values of their kinds."""
    found: Fields = {}
    for name, setting in SETS.items():
        if name in said.fields:
            text = said.fields[name]
            found[setting] = text if isinstance(USUAL.get(setting), str) else option_value(text)
    return found


def parameters_of(text: str) -> dict[str, str]:
    """Return the fields of an infotext as /png-info tells them: sizes apart, and what is usual where it is left out."""
    said = read(text)
    found = {"Prompt": said.prompt, "Negative prompt": said.negative, **said.fields}
    for name in SIZES:
        size = split_size(found.get(name, ""))
        if size:
            del found[name]
            found |= {f"{name}-1": str(size[0]), f"{name}-2": str(size[1])}
    usual = {"Clip skip": "1", "Hires resize-1": "0", "Hires resize-2": "0", "Schedule type": "Automatic", "RNG": "GPU"}
    return usual | found if said.fields else found
