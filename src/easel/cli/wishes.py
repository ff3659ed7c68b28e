"""From what was typed to requests: prompts, sizes, NAME=VALUE options and counts. No files are written here.

Messages speak of the options that people typed, not of the request's fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from easel.core.errors import BadValue, RequestError, UnknownName
from easel.core.limits import OptionValue
from easel.core.request import Request

if TYPE_CHECKING:
    from easel.core.control import Control

OPTION_OF_FIELD = {
    "prompt": "prompt",
    "negative_prompt": "--negative",
    "model": "--model",
    "sampler": "--sampler",
    "schedule": "--schedule",
    "steps": "--steps",
    "guidance.scale": "--cfg",
    "guidance.rescale": "--rescale",
    "guidance.start": "--guidance-start",
    "guidance.end": "--guidance-end",
    "guidance.distilled": "--distilled-cfg",
    "shortcuts.features_every": "--features-every",
    "shortcuts.gate": "--gate",
    "shortcuts.ngms": "--ngms",
    "shortcuts.ngms_all": "--ngms-all",
    "components.vae": "--vae",
    "components.denoiser": "--denoiser",
    "components.text_encoders": "--text-encoder",
    "seed": "--seed",
    "width": "--size width",
    "height": "--size height",
    "batch_size": "--batch-size",
    "seamless": "--seamless",
    "variation.seed": "--variation-seed",
    "variation.strength": "--variation",
    "variation.resize_from.0": "--seed-size width",
    "variation.resize_from.1": "--seed-size height",
    "ensd": "--ensd",
    "words.emphasis": "--emphasis",
    "words.clip_skip": "--clip-skip",
    "words.comma_backtrack": "--comma-backtrack",
    "refiner.model": "--refiner",
    "refiner.switch_at": "--refiner-at",
    "tiled_decode": "--tiled-decode",
    "motion.model": "--motion",
    "motion.strength": "--motion-strength",
    "motion.fps": "--fps",
    "motion.format": "--format",
    "hires.scale": "--hires",
    "hires.width": "--hires-size width",
    "hires.height": "--hires-size height",
    "hires.steps": "--hires-steps",
    "hires.strength": "--hires-strength",
    "hires.upscaler": "--hires-upscaler",
    "hires.sampler": "--hires-sampler",
    "hires.schedule": "--hires-schedule",
    "hires.cfg_scale": "--hires-cfg",
    "hires.prompt": "--hires-prompt",
    "hires.negative_prompt": "--hires-negative",
    "tiles.scale": "--scale",
    "tiles.upscaler": "--upscaler",
    "tiles.overlap": "--overlap",
    "start.image": "FILE",
    "start.strength": "--strength",
    "start.resize": "--resize",
    "start.noise_multiplier": "--noise-multiplier",
    "start.extra_noise": "--extra-noise",
    "mask.image": "--mask",
    "mask.channel": "--mask-channel",
    "mask.blur": "--blur",
    "mask.fill": "--fill",
    "mask.padding": "--padding",
    "mask.weight": "--mask-weight",
    "mask.soft.schedule_bias": "--schedule-bias",
    "mask.soft.preservation": "--preservation",
    "mask.soft.contrast": "--contrast",
    "mask.soft.mask_influence": "--mask-influence",
    "mask.soft.difference_threshold": "--difference-threshold",
    "mask.soft.difference_contrast": "--difference-contrast",
    "outpaint": "--left, --right, --top and --bottom",
    "outpaint.left": "--left",
    "outpaint.right": "--right",
    "outpaint.top": "--top",
    "outpaint.bottom": "--bottom",
    "outpaint.feather": "--feather",
    "outpaint.reach": "--reach",
}
OPTION_OF_PART = {  # fields of parts that one option says whole
    "controls": "--control",
    "image_prompts": "--picture",
    "details": "--detail",
    "enlarge": "--enlarge",
    "faces": "--faces",
    "background": "--background",
}
EMPHASIS = ("Original", "No norm", "Ignore", "None")


def requests_for(
    prompts: Iterable[str | Mapping[str, Any]],
    fields: Mapping[str, Any],
    *,
    batch_count: int = 1,
    wordless: bool = False,
) -> list[Request]:
    """Return `batch_count` requests for each prompt, their seeds following one another.

    prompts: words, or the fields of one request, which outweigh `fields`, those that were given for all. Styles are
    laid on and choices made. wordless: a prompt may be empty, as it may beside picture prompts. Raises BadValue or
    UnknownName.
    """
    from easel.core.settings import read_settings
    from easel.prompt.spoken import spoken
    from easel.prompt.styles import chosen_styles
    from easel.prompt.wildcards import Wildcards

    settings = read_settings()
    fields = dict(fields)
    styles = chosen_styles(fields.pop("styles", ()), settings.styles)
    wildcards = Wildcards(settings.wildcards)
    if batch_count < 1:
        raise BadValue("--batch-count", batch_count, "at least 1")
    asked: list[Request] = []
    for given in prompts:
        whole = {**fields, **({"prompt": given} if isinstance(given, str) else joined(fields, given))}
        prompt = whole.get("prompt", "")
        if not (prompt.strip() or wordless or whole.get("image_prompts")):
            raise BadValue("prompt", prompt, "words that say what to draw", remedy='for example "a fox"')
        try:
            first = Request(**whole).settled()
            alike = [first, *(following(first, i * first.batch_size) for i in range(1, batch_count))]
            asked += [one for request in alike for one in spoken(request, styles=styles, wildcards=wildcards)]
        except BadValue as error:
            raise in_option_words(error) from None
    return asked


def in_option_words(error: BadValue) -> BadValue:
    """Return an error about a request's field as one about the option that people typed for it."""
    part, _, name = error.field.partition(".")
    flag = OPTION_OF_PART.get(part.partition("[")[0], "")
    option = OPTION_OF_FIELD.get(error.field, f"{flag} {name}".strip() if flag else error.field)
    return BadValue(option, error.got, error.allowed, remedy=error.remedy)


def joined(fields: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of one request, its parts laid over those given for all."""
    parts = {name: {**fields.get(name, {}), **part} for name, part in given.items() if isinstance(part, Mapping)}
    return {**given, **parts}


def following(first: Request, offset: int) -> Request:
    """Return a settled request for the pictures that come `offset` pictures after its first."""
    if first.variation.strength:
        variation = first.variation.changed(seed=first.variation_seeds[0] + offset)
        return first.changed(variation=variation)
    return first.changed(seed=first.seeds[0] + offset)


def check_names(request: Request) -> None:
    """Raise RequestError for names and options that are not known, before torch is loaded: samplers, upscalers ..."""
    from easel.post.upscalers import check_pixels
    from easel.sampling import checked_options, samplers, schedules, split_joint_name

    for part in (request, request.hires, *request.details):
        if part is None:
            continue
        if part.sampler is not None:
            name, _ = split_joint_name(part.sampler)
            checked_options(samplers[name], getattr(part, "sampler_options", {}))
        if part.schedule is not None:
            schedules[part.schedule].checked(getattr(part, "schedule_options", {}))
    if request.hires is not None:
        check_upscaler(request.hires.upscaler)
    if request.tiles is not None:
        check_pixels(request.tiles.upscaler, "tiled upscaling")
        check_upscaler(request.tiles.upscaler)
    for name in (request.enlarge.upscaler, request.enlarge.second) if request.enlarge else ():
        if name is not None:
            check_pixels(name, "enlarging a picture")
            check_upscaler(name)
    for control in request.controls:
        check_preprocessor(control)


def check_upscaler(name: str) -> None:
    """Raise UnknownName unless an upscaler is one of our own or a file of the model folders."""
    from easel.core.settings import read_settings
    from easel.models.library.names import Library
    from easel.post.upscalers import names_of, upscalers

    if name in upscalers:
        return
    library = Library(read_settings())
    try:
        library.where(name, "upscaler")
    except UnknownName:
        raise UnknownName("upscaler", name, names_of(library), listing=upscalers.listing) from None


def check_preprocessor(control: Control) -> None:
    """Raise RequestError for a preprocessor or an option of it that is not known."""
    from easel.media.hints import checked_options
    from easel.models.readers import preprocessor_named

    if not control.preprocessor.strip().casefold().startswith("reference"):  # the model itself reads a reference
        checked_options(preprocessor_named(control.preprocessor), control.options)


def file_bytes(flag: str, path: Path) -> bytes:
    """Return what a file holds. Raises BadValue in the words of `flag` when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadValue(flag, str(path), "a file that can be read", remedy=(error.strerror or "").lower()) from None


def size_of(text: str, flag: str = "--size") -> tuple[int, int]:
    """Return width and height from "512x768", or from "512" for a square. Raises BadValue in the words of `flag`."""
    parts = text.casefold().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isascii() and part.strip().isdigit() and len(part) < 9 for part in parts):
        raise BadValue(flag, text, "WIDTHxHEIGHT in pixels", remedy="for example 512x768")
    return int(parts[0]), int(parts[-1])


def no_prompt() -> RequestError:
    """Return the error for a command line without words."""
    return RequestError('no prompt: say what to draw, for example: easel txt2img "a fox".')


def needs(flag: str, given: object, other: str) -> BadValue:
    """Return the error for an option that says nothing without another."""
    return BadValue(flag, given, f"given together with {other}")


def without_none(**given: Any) -> dict[str, Any]:
    """Return what was given, so that the rest keeps the request's own default."""
    return {name: value for name, value in given.items() if value is not None}


def seed_of(seed: int | None) -> int | None:
    """Return the seed, or None for -1, which draws one as other tools do."""
    return None if seed == -1 else seed


def options_of(flag: str, given: Iterable[str]) -> dict[str, OptionValue]:
    """Return the options among NAME=VALUE texts, their values read as true/false, whole number, number or text.

    Raises BadValue for a text without "=" or a name given twice.
    """
    found: dict[str, OptionValue] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not name or not equals:
            raise BadValue(flag, text, "NAME=VALUE", remedy="for example eta=0.5")
        if name in found:
            raise BadValue(flag, text, "each name once")
        found[name] = value_of(value.strip())
    return found


def value_of(text: str) -> OptionValue:
    """Return `text` as the kind of value it looks like."""
    if text.casefold() in ("true", "false"):
        return text.casefold() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def one_of(flag: str, given: str, known: Iterable[str]) -> str:
    """Return the known spelling of `given`, in any case. Raises UnknownName."""
    names = tuple(known)
    for name in names:
        if name.casefold() == given.strip().casefold():
            return name
    raise UnknownName(flag, given, names)
