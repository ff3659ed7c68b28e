"""From the units of A1111's ControlNet to what leads a request: controls, and pictures in the place of words.

A unit whose preprocessor is an IP-Adapter's becomes an image prompt, every other a control. Opens no picture but a mask
that may be wholly black, which asks for nothing. Which models and preprocessors there are, is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from easel.api.a1111.asked import Fields, model_name
from easel.api.a1111.modules import module_meant
from easel.api.a1111.unit import Unit
from easel.api.pictures import file_in
from easel.core.control import MOST_UNITS, Control, ImagePrompt
from easel.core.errors import BadValue, Unsupported
from easel.prompt.dials import options_of, takes_whole

IP_ADAPTER = ("ip-adapter", "ip_adapter", "ipadapter")
FORGE_READERS = (
    "clip-vit-h (ipadapter)", "clip-vit-bigg (ipadapter)", "clip-g (ipadapter)", "insightface+clip-h (ipadapter)"
)  # fmt: skip
PULID = "ip-adapter_pulid"
INPAINT = "inpaint"  # preprocessors that begin so see a hole under the mask
REFERENCE = "reference"

RESIZES: Mapping[str | int, str] = {
    **dict.fromkeys((0, "just resize", "resize"), "just resize"),
    **dict.fromkeys((1, "crop and resize", "inner_fit"), "crop and resize"),
    **dict.fromkeys((2, "resize and fill", "outer_fit"), "resize and fill"),
    **dict.fromkeys(("scale to fit (inner fit)", "inner fit (scale to fit)"), "crop and resize"),
    **dict.fromkeys(("envelope (outer fit)", "outer fit (shrink to fit)"), "resize and fill"),
}
MODES: Mapping[str | int, str] = {
    **dict.fromkeys((0, "balanced"), "balanced"),
    **dict.fromkeys((1, "my prompt is more important"), "prompt"),
    **dict.fromkeys((2, "controlnet is more important"), "control"),
}
PASSES: Mapping[str | int, str] = {
    **dict.fromkeys((0, "both"), "both"),
    **dict.fromkeys((1, "low res only"), "first"),
    **dict.fromkeys((2, "high res only"), "second"),
}
KINDS: Mapping[str | int, str] = {
    "unknown": "",
    "openpose": "openpose",
    "depth": "depth",
    "soft edge": "softedge",
    "hard edge": "canny",
    "normal map": "normal",
    "segmentation": "segmentation",
    "tile": "tile",
    "inpaint": "inpaint",
}

Named = tuple[str, Unit]


def shown_places(units: Sequence[Named]) -> tuple[int, ...]:
    """Return the places among a request's controls whose hints stand in the answer too."""
    controls = [unit for _, unit in units if not is_image_prompt(unit)]
    return tuple(place for place, unit in enumerate(controls) if unit.save_detected_map)


def unit_fields(units: Sequence[Named], start: bytes | None, *, hires: bool, cropped: bool = False) -> Fields:
    """Return the request fields of a call's units. Raises RequestError that names the unit's field.

    start: the picture that the call begins from, which leads where a unit brings none. hires: whether there is a second
    pass. cropped: whether only the masked part is worked on.
    """
    if len(units) > MOST_UNITS:
        raise BadValue("ControlNet units", len(units), f"at most {MOST_UNITS}")
    controls: list[Control] = []
    prompts: list[ImagePrompt] = []
    for name, unit in units:
        refuse(unit, name)
        if is_image_prompt(unit):
            prompts.append(image_prompt(unit, name, start, hires))
        else:
            controls.append(control(unit, name, start is not None, hires=hires, cropped=cropped))
    return {"controls": tuple(controls), "image_prompts": tuple(prompts)}


def refuse(unit: Unit, name: str) -> None:
    """Raise Unsupported for what a unit can ask for and Easel has not, by name."""
    if unit.ipadapter_input is not None:
        why = "it is a pickled file, and reading one runs what stands in it; give the picture as image"
        raise Unsupported(f"{name} ipadapter_input cannot be honoured: {why}.")
    if str(unit.input_mode).casefold().removeprefix("inputmode.") not in ("simple", "0"):
        raise Unsupported(f'{name} input_mode {unit.input_mode!r} cannot be honoured; leave it at "simple".')
    if unit.batch_images:
        raise Unsupported(f"{name} batch_images cannot be honoured; give one picture as image, in a call for each.")
    if unit.module.strip().casefold() == PULID:
        raise Unsupported(f"{name} module {unit.module!r} cannot be honoured; PuLID is not there.")


def is_image_prompt(unit: Unit) -> bool:
    """Return whether a unit's picture stands in the place of words."""
    module = unit.module.strip().casefold()
    return module.startswith(IP_ADAPTER) or module in FORGE_READERS


def control(unit: Unit, name: str, start: bool, *, hires: bool, cropped: bool) -> Control:
    """Return a unit as a control."""
    module = "none" if unit.use_preview_as_input else module_meant(unit.module)
    pictures, mask = pictures_of(unit, name)
    if len(pictures) > 1:
        raise BadValue(f"{name} image", f"{len(pictures)} pictures", "one, unless the preprocessor is an IP-Adapter's")
    if not pictures and not start:
        raise BadValue(f"{name} image", None, "a picture in base64")
    if pictures and cropped and not unit.inpaint_crop_input_image:
        raise Unsupported(
            f"{name} inpaint_crop_input_image false cannot be honoured: a hint is cut as the picture is; leave it true."
        )
    if mask is not None and not module.startswith(INPAINT):
        if not black(mask, f"{name} mask"):
            remedy = "give effective_region_mask for where the unit leads"
            raise Unsupported(f"{name} mask cannot be honoured with the preprocessor {unit.module!r}; {remedy}.")
        mask = None
    fields: Fields = {
        "image": pictures[0] if pictures else None,
        "preprocessor": module,
        "options": options_of(module, unit.threshold_a, unit.threshold_b),
        "resolution": resolution(unit.processor_res, module),
        "pixel_perfect": unit.pixel_perfect,
        "mask": mask,
        "model": None if module.startswith(REFERENCE) else model_name(unit.model) or None,
        "kind": word(KINDS, unit.union_control_type, f"{name} union_control_type"),
        "blocks": tuple(unit.advanced_weighting or ()),
        "mode": word(MODES, unit.control_mode, f"{name} control_mode"),
        "resize": word(RESIZES, unit.resize_mode, f"{name} resize_mode"),
    }
    if fields["model"] is None and not module.startswith(REFERENCE):
        raise BadValue(f"{name} model", unit.model, "a model's name; GET /controlnet/model_list lists them")
    return made(Control, fields | shared(unit, name, hires), name)


def image_prompt(unit: Unit, name: str, start: bytes | None, hires: bool) -> ImagePrompt:
    """Return a unit as a picture in the place of words; a mask is the region where it leads."""
    pictures, mask = pictures_of(unit, name)
    if not pictures and start is not None:
        pictures = [start]
    if not pictures:
        raise BadValue(f"{name} image", None, "a picture in base64")
    if unit.advanced_weighting:
        raise Unsupported(f"{name} advanced_weighting cannot be honoured for an IP-Adapter; leave it out.")
    model = model_name(unit.model)
    if not model:
        raise BadValue(f"{name} model", unit.model, "an IP-Adapter's name; GET /controlnet/model_list lists them")
    fields = {"images": tuple(pictures), "model": model, **shared(unit, name, hires)}
    if mask is not None and fields["region"] is None:
        fields["region"] = mask
    return made(ImagePrompt, fields, name)


def shared(unit: Unit, name: str, hires: bool) -> Fields:
    """Return the fields that controls and image prompts share; without a second pass both is the one that there is."""
    passes = word(PASSES, unit.hr_option, f"{name} hr_option")
    region = unit.effective_region_mask
    return {
        "weight": unit.weight,
        "start": unit.guidance_start,
        "end": unit.guidance_end,
        "region": None if region is None else one_file(region, f"{name} effective_region_mask"),
        "passes": passes if hires else "both",
    }


# What the fields of Control and ImagePrompt are called in a unit, where it is otherwise.
CALLED = {
    "start": "guidance_start",
    "end": "guidance_end",
    "resolution": "processor_res",
    "blocks": "advanced_weighting",
    "preprocessor": "module",
}


def made(kind: type[Any], fields: Fields, name: str) -> Any:
    """Return a control or an image prompt of these fields. Raises BadValue that names the unit's field."""
    try:
        return kind(**fields)
    except BadValue as error:
        field, _, rest = error.field.removeprefix(kind.spoken).partition(".")
        called = f"{name} {CALLED.get(field, field)}{f' {rest}' if rest else ''}"
        raise BadValue(called, error.got, error.allowed, remedy=error.remedy) from None


def word(meanings: Mapping[str | int, str], given: str | int, field: str) -> str:
    """Return what a word of that extension, in any case, or its number means. Raises BadValue."""
    key = given.strip().casefold() if isinstance(given, str) else given
    if isinstance(key, bool) or key not in meanings:
        raise BadValue(field, given, ", ".join(str(known) for known in meanings))
    return meanings[key]


def resolution(given: float, module: str) -> int | None:
    """Return the pixels at which a preprocessor looks at a picture, None where it takes it as it comes."""
    return None if given <= 0 or takes_whole(module) else round(given)


def pictures_of(unit: Unit, name: str) -> tuple[list[bytes], bytes | None]:
    """Return the pictures of a unit, and its mask or that of its picture."""
    given = unit.image
    if unit.use_preview_as_input:
        if unit.generated_image is None:
            raise BadValue(f"{name} generated_image", None, "a picture, where use_preview_as_input is true")
        given = unit.generated_image
    several = cast("list[Any]", given) if isinstance(given, list) else [given]
    found = [pair(one, f"{name} image") for one in several if one is not None]
    masks = [mask for _, mask in found if mask is not None]
    if unit.mask is not None:
        masks.insert(0, one_file(unit.mask, f"{name} mask"))
    if len(masks) > 1 and len(found) > 1:
        raise BadValue(f"{name} mask", f"{len(masks)} masks", "one for all pictures of a unit")
    return [picture for picture, _ in found], masks[0] if masks else None


def pair(given: Any, field: str) -> tuple[bytes, bytes | None]:
    """Return a picture and its mask, given as {"image": ..., "mask": ...} or alone."""
    if not isinstance(given, Mapping):
        return one_file(given, field), None
    parts = cast("Mapping[str, Any]", given)
    mask = parts.get("mask") or None
    return one_file(parts.get("image"), field), None if mask is None else one_file(mask, f"{field} mask")


def one_file(given: Any, field: str) -> bytes:
    """Return the file of a picture in base64, alone or as the one of a list. Raises BadValue naming `field`."""
    if isinstance(given, list) and len(cast("list[Any]", given)) == 1:
        given = cast("list[Any]", given)[0]
    if isinstance(given, Mapping):
        given = cast("Mapping[str, Any]", given).get("image")
    if not isinstance(given, str):
        raise BadValue(field, cast("object", given), "a picture in base64")
    return file_in(given, field)


def black(file: bytes, field: str) -> bool:
    """Return whether a mask masks nothing."""
    from easel.media.reading import open_image

    return open_image(file, field).convert("L").getextrema() == (0, 0)
