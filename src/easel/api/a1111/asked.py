"""From this dialect's words to ours: the fields that /txt2img and /img2img share, as fields of a core.Request.

A pure translation: it reads no files and asks nobody. What is meant by pictures stands in painting.py, by scripts in
scripts.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from easel.api.a1111.options import MODULES, Options
from easel.api.a1111.prompts import words_of
from easel.api.a1111.wire import Drawing, TextToImage
from easel.core.errors import BadValue, Unsupported
from easel.core.finishing import Faces
from easel.core.request import Request
from easel.prompt.styles import Style
from easel.sampling import samplers, schedules, split_joint_name

Fields = dict[str, Any]
CELL = 8  # pixels to which A1111 cuts a size
NO_MODEL = ("", "none", "automatic", "use same checkpoint")

# Where a place in a request is called otherwise in this dialect.
SPOKEN: Mapping[str, str] = {
    "guidance.scale": "cfg_scale",
    "guidance.start": "skip_early_cond",
    "guidance.distilled": "distilled_cfg_scale",
    "shortcuts.ngms": "s_min_uncond",
    "variation.seed": "subseed",
    "variation.strength": "subseed_strength",
    "variation.resize_from.0": "seed_resize_from_w",
    "variation.resize_from.1": "seed_resize_from_h",
    "words.clip_skip": "CLIP_stop_at_last_layers",
    "words.emphasis": "emphasis",
    "words.comma_backtrack": "comma_padding_backtrack",
    "ensd": "eta_noise_seed_delta",
    "model": "sd_model_checkpoint",
    "components.vae": "sd_vae",
    "preview_every": "show_progress_every_n_steps",
    "refiner.switch_at": "refiner_switch_at",
    "hires.scale": "hr_scale",
    "hires.width": "hr_resize_x",
    "hires.height": "hr_resize_y",
    "hires.steps": "hr_second_pass_steps",
    "hires.strength": "denoising_strength",
    "hires.cfg_scale": "hr_cfg",
    "start.image": "init_images",
    "start.strength": "denoising_strength",
    "start.noise_multiplier": "initial_noise_multiplier",
    "start.extra_noise": "img2img_extra_noise",
    "mask.image": "mask",
    "mask.blur": "mask_blur",
    "mask.padding": "inpaint_full_res_padding",
    "mask.weight": "inpainting_mask_weight",
    "outpaint": "script_args direction",
    "tiles.scale": "script_args scale_factor",
    "tiles.overlap": "script_args overlap",
    "details": "ADetailer tabs",
    "enlarge.width": "upscaling_resize_w",
    "enlarge.height": "upscaling_resize_h",
    "faces.restorer": "face_restoration_model",
    "faces.fidelity": "code_former_weight",
}


def made(fields: Fields) -> Request:
    """Return the settled request of these fields. Raises BadValue in the dialect's words, or UnknownName."""
    try:
        return Request(**fields).settled()
    except BadValue as error:
        raise BadValue(SPOKEN.get(error.field, error.field), error.got, error.allowed, remedy=error.remedy) from None


def shared_fields(wire: Drawing, options: Options, styles: Iterable[Style] = ()) -> Fields:
    """Return the request fields of what both ways of drawing share. Raises RequestError."""
    refuse(wire)
    prompt, negative = words_of(
        wire.prompt,
        wire.negative_prompt,
        styles,
        comments=options["enable_prompt_comments"],
        networks=not wire.disable_extra_networks,
    )
    vae = model_name(options["sd_vae"])
    guidance: Fields = {"scale": wire.cfg_scale, "start": options["skip_early_cond"]}
    if wire.distilled_cfg_scale is not None:
        guidance["distilled"] = wire.distilled_cfg_scale
    tiling = options["tiling"] if wire.tiling is None else wire.tiling
    previews = options["show_progress_every_n_steps"] if options["live_previews_enable"] else 0
    fields: Fields = {
        "prompt": prompt,
        "negative_prompt": negative,
        "words": {
            "emphasis": options["emphasis"],
            "clip_skip": options["CLIP_stop_at_last_layers"],
            "comma_backtrack": options["comma_padding_backtrack"],
            "old_editing": options["use_old_scheduling"],
        },
        "components": {**({"vae": vae} if vae else {}), "text_encoders": modules(options)},
        "steps": wire.steps,
        "guidance": guidance,
        "seed": None if wire.seed == -1 else wire.seed,
        "variation": variation(wire),
        "ensd": options["eta_noise_seed_delta"],
        "width": cut(wire.width),
        "height": cut(wire.height),
        "batch_size": wire.batch_size,
        "seamless": "xy" if tiling else "",
        "noise": options["randn_source"],
        "preview_every": max(0, previews),
        "faces": (restorer(options),) if restores(wire, options) else (),
        **sampling(wire, options),
    }
    model = model_name(options["sd_model_checkpoint"])
    if model:
        fields["model"] = model
    return fields | refiner(wire) | shortcuts(wire, options)


def refuse(wire: Drawing) -> None:
    """Raise Unsupported, by name, for what this dialect knows and Easel does not."""
    if wire.firstpass_image is not None:
        raise Unsupported("firstpass_image cannot be honoured; leave it out.")


def restores(wire: Drawing, options: Options) -> bool:
    """Return whether faces are restored: as a call says, or else as its caller has set."""
    return options["face_restoration"] if wire.restore_faces is None else wire.restore_faces


def restorer(options: Options) -> Faces:
    """Return the restoring of faces that a caller has set."""
    return Faces(restorer=options["face_restoration_model"], fidelity=options["code_former_weight"])


def cut(side: int) -> int:
    """Return a side in pixels as A1111 takes it: cut to whole cells; smaller than one stays, to be refused."""
    return side // CELL * CELL or side


def model_name(text: str) -> str:
    """Return a file's name without the hash that lists of this dialect write behind it, "" for the usual one."""
    name, bracket, _ = text.strip().partition(" [")
    name = name if bracket and text.strip().endswith("]") else text.strip()
    return "" if name.casefold() in NO_MODEL else name


def modules(options: Options) -> tuple[str, ...]:
    """Return Forge's additional modules; which of them are text encoders, and which a VAE, the library knows."""
    return tuple(name for one in options[MODULES] if (name := model_name(one)))


def variation(wire: Drawing) -> Fields:
    """Return the fields of a variation."""
    found: Fields = {"strength": wire.subseed_strength}
    if wire.subseed != -1:
        found["seed"] = wire.subseed
    if wire.seed_resize_from_w > 0 and wire.seed_resize_from_h > 0:
        found["resize_from"] = (wire.seed_resize_from_w, wire.seed_resize_from_h)
    return found


def refiner(wire: Drawing) -> Fields:
    """Return the refiner, which needs both its fields and a switch before the end."""
    name = model_name(wire.refiner_checkpoint or "")
    at = wire.refiner_switch_at
    if not name or at is None or at >= 1:
        return {}
    return {"refiner": {"model": name, "switch_at": at}}


def shortcuts(wire: Drawing, options: Options) -> Fields:
    """Return A1111's negative guidance minimum sigma; without a negative prompt, at a scale of 1, it says nothing."""
    ngms = options["s_min_uncond"] if wire.s_min_uncond is None else wire.s_min_uncond
    if not ngms or wire.cfg_scale == 1:
        return {}
    return {"shortcuts": {"ngms": ngms, "ngms_all": options["s_min_uncond_all"]}}


def sampling(wire: Drawing, options: Options) -> Fields:
    """Return sampler, schedule and their options; a joint name such as "DPM++ 2M Karras" outweighs the schedule."""
    sampler, joined = split_joint_name(wire.sampler_name or wire.sampler_index)
    schedule = schedules[joined or wire.scheduler or "Automatic"]
    return {
        "sampler": sampler,
        "sampler_options": sampler_options(sampler, wire, options),
        "schedule": schedule.name,
        "schedule_options": schedule_options(schedule.name, options),
    }


def sampler_options(name: str, wire: Drawing, options: Options) -> Fields:
    """Return the options that this sampler has, where they are not as usual; A1111 gives the others to nobody."""
    has = samplers[name].options
    eta = options["eta_ddim"] if name.startswith("DDIM") else options["eta_ancestral"]
    usual = 0.0 if name.startswith("DDIM") else 1.0
    given: Fields = {"eta": wire.eta if wire.eta is not None else eta if eta != usual else None}
    for option, silent in (("s_churn", 0), ("s_tmin", 0), ("s_tmax", 0), ("s_noise", 1)):
        asked: float | None = getattr(wire, option)
        value = options[option] if asked is None else asked
        given[option] = None if value == silent else value
    if name == "UniPC":
        given["variant"] = None if options["uni_pc_variant"] == "bh1" else options["uni_pc_variant"]
    if name.startswith("UniPC"):
        given["order"] = None if options["uni_pc_order"] == 3 else options["uni_pc_order"]
    return {option: value for option, value in given.items() if value is not None and option in has}


def schedule_options(name: str, options: Options) -> Fields:
    """Return the options of a schedule where they are not as usual; a 0 leaves a noise level or rho to the model."""
    has = schedules[name].options
    given = {option: options[option] for option in ("sigma_min", "sigma_max") if options[option]}
    if options["rho"] and "rho" in has:
        given["rho"] = options["rho"]
    for ours, theirs in (("alpha", "beta_dist_alpha"), ("beta", "beta_dist_beta")):
        if ours in has and options[theirs] != has[ours].default:
            given[ours] = options[theirs]
    return given


def text_fields(wire: TextToImage, options: Options, styles: Iterable[Style] = ()) -> Fields:
    """Return the request fields of /txt2img. Raises RequestError."""
    hires: Fields = {}
    if wire.enable_hr and (wire.firstphase_width or wire.firstphase_height):
        # The way of old clients: the size is the second pass's, and the first has fields of its own.
        sizes = {"hr_resize_x": wire.width, "hr_resize_y": wire.height}
        wire = wire.model_copy(update={**sizes, "width": wire.firstphase_width, "height": wire.firstphase_height})
    if wire.enable_hr:
        hires = {"hires": hires_fields(wire)}
    return shared_fields(wire, options, styles) | hires


def hires_fields(wire: TextToImage) -> Fields:
    """Return the fields of the second pass; what is 0 or "Use same ..." is the first pass's."""
    if model_name(wire.hr_checkpoint_name or ""):
        raise Unsupported(
            f"hr_checkpoint_name {wire.hr_checkpoint_name!r} cannot be honoured; both passes have one model."
        )
    if wire.hr_additional_modules not in (None, [], ["Use same choices"]):
        raise Unsupported("hr_additional_modules cannot be honoured; both passes have one model.")
    size = {"width": cut(wire.hr_resize_x) or None, "height": cut(wire.hr_resize_y) or None}
    fields: Fields = {
        **(size if any(size.values()) else {"scale": wire.hr_scale}),
        "steps": wire.hr_second_pass_steps or None,
        "strength": wire.denoising_strength,
        "upscaler": wire.hr_upscaler or "Latent",
        "sampler": other(wire.hr_sampler_name),
        "schedule": other(wire.hr_scheduler),
        "cfg_scale": wire.hr_cfg,
        "prompt": wire.hr_prompt,
        "negative_prompt": wire.hr_negative_prompt,
    }
    return {name: value for name, value in fields.items() if value is not None}


def other(name: str | None) -> str | None:
    """Return the name of another sampler or schedule, None where the first pass's is meant."""
    return None if not name or name.casefold().startswith("use same") else name
