"""AUTOMATIC1111's settings that mean something here: their usual values, and which others cannot be honoured.

They are read from what a caller keeps by POST /options, beside the queue and for good, and from a request's
`override_settings`; nothing is global.
Settings that neither table knows are ignored, as the dialect's clients expect. Where each goes stands in asked.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from easel.core.errors import BadValue, Unsupported
from easel.core.registry import check_kind
from easel.core.request import Request

Options = Mapping[str, Any]

MODULES = "forge_additional_modules"
REALM = "a1111"  # what callers set here is kept under this name

USUAL: Options = MappingProxyType(
    {
        "sd_model_checkpoint": Request.model_fields["model"].default,
        "sd_vae": "Automatic",
        MODULES: [],
        "CLIP_stop_at_last_layers": 1,
        "emphasis": "Original",
        "comma_padding_backtrack": 20,
        "use_old_scheduling": False,
        "enable_prompt_comments": True,
        "eta_noise_seed_delta": 0,
        "randn_source": "NV",
        "eta_ddim": 0.0,
        "eta_ancestral": 1.0,
        "s_churn": 0.0,
        "s_tmin": 0.0,
        "s_tmax": 0.0,
        "s_noise": 1.0,
        "sigma_min": 0.0,
        "sigma_max": 0.0,
        "rho": 0.0,
        "beta_dist_alpha": 0.6,
        "beta_dist_beta": 0.6,
        "uni_pc_variant": "bh1",
        "uni_pc_order": 3,
        "skip_early_cond": 0.0,
        "s_min_uncond": 0.0,
        "s_min_uncond_all": False,
        "tiling": False,
        "initial_noise_multiplier": 1.0,
        "img2img_extra_noise": 0.0,
        "img2img_color_correction": False,
        "img2img_fix_steps": False,
        "inpainting_mask_weight": 1.0,
        "face_restoration": False,
        "face_restoration_model": "CodeFormer",
        "code_former_weight": 0.5,
        "live_previews_enable": True,
        "show_progress_every_n_steps": 10,
        "samples_format": "png",
        "jpeg_quality": 80,
        "enable_pnginfo": True,
        "return_grid": True,
    }
)

# Settings that Easel knows and cannot honour, and the values with which they ask for nothing.
ONLY: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "token_merging_ratio": (0,),
        "token_merging_ratio_img2img": (0,),
        "token_merging_ratio_hr": (0,),
        "sd_noise_schedule": ("Default",),
        "sd_hypernetwork": ("None", ""),
        "always_discard_next_to_last_sigma": (False,),
        "use_old_emphasis_implementation": (False,),
        "use_old_karras_scheduler_sigmas": (False,),
        "use_old_hires_fix_width_height": (False,),
        "no_dpmpp_sde_batch_determinism": (False,),
        "sgm_noise_multiplier": (False,),
        "dont_fix_second_order_samplers_schedule": (False,),
        "fp8_storage": ("Disable",),
        "upscaler_for_img2img": ("None", ""),
        "img2img_background_color": ("#ffffff",),
    }
)
WORDS = {
    "samples_format": {"png": "png", "jpg": "jpg", "jpeg": "jpg", "webp": "webp"},
    "randn_source": {"gpu": "NV", "nv": "NV", "cpu": "CPU"},
}


def checked(given: Options) -> dict[str, Any]:
    """Return the settings among `given` that mean something here, in our spelling; null ones and unknown are left out.

    Raises BadValue for a value of another kind, Unsupported for a known setting that cannot be honoured.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in ONLY and value is not None and value not in ONLY[name]:
            raise Unsupported(f"setting {name} {value!r} cannot be honoured; leave it at {ONLY[name][0]!r}.")
        if name not in USUAL or value is None:
            continue
        check_kind(f"setting {name}", value, USUAL[name])
        if isinstance(USUAL[name], list):
            check_names(name, value)
        if name in WORDS:
            known = WORDS[name]
            if value.casefold() not in known:
                raise BadValue(f"setting {name}", value, ", ".join(known))
            value = known[value.casefold()]
        found[name] = value
    return found


def check_names(name: str, value: Any) -> None:
    """Raise BadValue unless a setting is a list of names."""
    names = cast("list[Any]", value) if isinstance(value, list) else [None]
    if not all(isinstance(one, str) for one in names):
        raise BadValue(f"setting {name}", cast("object", value), "a list of names")


def still_known(kept: Options) -> Options:
    """Return what was kept, without what an earlier Easel knew and this one does not."""
    return {name: value for name, value in kept.items() if name in USUAL}
