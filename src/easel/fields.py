"""The keywords of a Studio's methods, and how they become a request.

Words are those of Request and its parts; what the methods share stands here once. Decides nothing about pictures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from PIL import Image

from easel.core.control import Control, ImagePrompt
from easel.core.detail import Detail
from easel.core.errors import BadValue
from easel.core.finishing import Background, Enlarge, Faces
from easel.core.limits import OptionValue
from easel.core.motion import Motion
from easel.core.passes import Components, Guidance, Hires, Refiner, Shortcuts, Variation, Words
from easel.core.pictures import Fill, Resize, Soft
from easel.core.request import Request
from easel.core.settings import Settings
from easel.core.values import Value
from easel.media.reading import png_bytes
from easel.prompt.spoken import spoken
from easel.prompt.styles import chosen_styles
from easel.prompt.wildcards import Wildcards

PictureLike = str | Path | bytes | Image.Image  # a file's path, a file's bytes, or a picture of Pillow's

GUIDANCE = {"cfg_scale": "scale", "cfg_rescale": "rescale", "cfg_start": "start", "cfg_end": "end"}
GUIDANCE |= {"distilled_cfg": "distilled"}
START = ("resize", "strength", "all_steps", "noise_multiplier", "extra_noise", "match_colours")
MASK = ("channel", "invert", "blur", "fill", "only_masked", "padding", "weight", "soft")
OUTPAINT = ("left", "right", "top", "bottom", "feather", "reach")
TILES = ("scale", "upscaler", "overlap")
MANY = ("controls", "image_prompts", "details", "faces")  # parts of which a request may have several
SHORT = {  # what a bare value says
    "details": "find",
    "faces": "restorer",
    "enlarge": "scale",
    "background": "model",
    "motion": "model",
}
PICTURES = {  # fields of parts that hold pictures
    "controls": ("image", "mask", "region"),
    "image_prompts": ("region",),
    "details": ("mask",),
    "background": ("image",),
}
STORABLE = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16")  # modes of Pillow that a PNG holds


class FinishFields(TypedDict, total=False):
    """What becomes of finished pictures: parts as values, or as mappings of their fields, pictures in any form.

    Short: a number for enlarge is its scale, a text for faces the restorer, for background the model or "#rrggbb".
    """

    enlarge: Enlarge | Mapping[str, Any] | float | None
    faces: Sequence[Faces | Mapping[str, Any] | str] | Faces | Mapping[str, Any] | str
    background: Background | Mapping[str, Any] | str | None


class Fields(FinishFields, total=False):
    """What every method that draws takes; what is left out is the model's choice. Sizes are pixels, multiples of 8.

    controls, image_prompts, details: values, or mappings of their fields; a text in details is the words to look for.
    motion: makes one clip of batch_size frames; a text is the motion module's name.
    """

    controls: Sequence[Control | Mapping[str, Any]]
    image_prompts: Sequence[ImagePrompt | Mapping[str, Any]]
    details: Sequence[Detail | Mapping[str, Any] | str] | Detail | Mapping[str, Any] | str
    negative_prompt: str
    seed: int | None
    steps: int | None
    sampler: str | None
    sampler_options: Mapping[str, OptionValue] | None
    schedule: str | None
    schedule_options: Mapping[str, OptionValue] | None
    cfg_scale: float | None
    cfg_rescale: float
    cfg_start: float
    cfg_end: float
    distilled_cfg: float
    width: int | None
    height: int | None
    batch_size: int
    noise: Literal["CPU", "NV"]
    words: Words
    styles: Sequence[str]
    variation: Variation
    ensd: int
    components: Components
    refiner: Refiner | None
    motion: Motion | Mapping[str, Any] | str | None
    shortcuts: Shortcuts
    seamless: Literal["", "x", "y", "xy"]
    tiled_decode: int
    alone: bool
    preview_every: int


class WordFields(Fields, total=False):
    """What pictures from words alone take besides."""

    hires: Hires | None


class StartFields(Fields, total=False):
    """What starts from a picture takes besides; see Start."""

    resize: Resize
    strength: float
    all_steps: bool
    noise_multiplier: float
    extra_noise: float
    match_colours: bool


class MaskFields(StartFields, total=False):
    """What paints under a mask takes besides; see Mask."""

    channel: Literal["light", "alpha"]
    invert: bool
    blur: float
    fill: Fill
    only_masked: bool
    padding: int
    weight: float
    soft: Soft | None


class TileFields(StartFields, total=False):
    """What enlarges a picture tile by tile takes besides; see Tiles."""

    scale: float
    upscaler: str
    overlap: int


class OutpaintFields(StartFields, total=False):
    """What grows a picture takes besides; see Outpaint."""

    left: int
    right: int
    top: int
    bottom: int
    feather: int
    reach: int | None


class EnlargeFields(TypedDict, total=False):
    """What a plain enlargement takes besides; see Enlarge."""

    second: str | None
    second_share: float
    width: int | None
    height: int | None
    crop: bool
    tile: int


class BackgroundFields(TypedDict, total=False):
    """What cutting out takes besides; see Background."""

    colour: str
    image: PictureLike
    tolerance: float
    holes: bool
    feather: float
    mask_only: bool


def requests_of(
    prompt: str | Sequence[str], fields: Mapping[str, Any], settings: Settings, **more: Any
) -> list[Request]:
    """Return the requests of each prompt, styles laid on and choices made. more: fields of the request itself.

    Raises BadValue or UnknownName.
    """
    given = {name: value for name, value in fields.items() if name not in (*GUIDANCE, "styles")} | parts_in(fields)
    for options in ("sampler_options", "schedule_options"):
        if given.get(options, {}) is None:
            del given[options]
    guidance = Guidance(**{inner: fields[outer] for outer, inner in GUIDANCE.items() if outer in fields})
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    styles = chosen_styles(fields.get("styles", ()), settings.styles)
    wildcards = Wildcards(settings.wildcards)
    typed = [Request(**{**given, **more, "guidance": guidance, "prompt": text}) for text in prompts]
    return [one for each in typed for one in spoken(each.settled(), styles=styles, wildcards=wildcards)]


def taken(fields: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Take the fields called `names` out of `fields` and return them."""
    return {name: fields.pop(name) for name in names if name in fields}


def parts_in(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts among a method's keywords as a request takes them, their pictures read. Raises BadValue."""
    found: dict[str, Any] = {}
    for name in (*MANY, "enlarge", "background", "motion"):
        given = fields.get(name)
        if given is None:
            continue
        if name not in MANY:
            found[name] = part_of(name, given, name)
        else:
            each = [given] if isinstance(given, (str, Mapping, Value)) else list(given)
            found[name] = tuple(part_of(name, one, f"{name}[{place}]") for place, one in enumerate(each))
    return found


def part_of(name: str, given: Any, where: str) -> Any:
    """Return one part as a request takes it. where: what messages call it. Raises BadValue."""
    if isinstance(given, Value):
        return given
    if not isinstance(given, Mapping):
        if name not in SHORT:
            raise BadValue(where, given, "named values", remedy='such as {"image": "edges.png", "model": "NAME"}')
        given = {"colour" if name == "background" and str(given).startswith("#") else SHORT[name]: given}
    found = dict(given)
    for field in PICTURES.get(name, ()):
        if found.get(field) is not None:
            found[field] = picture_file(found[field], f"{where}.{field}")
    if name == "image_prompts" and "images" in found:
        found["images"] = tuple(picture_files(found["images"], f"{where}.images"))
    if name == "details":
        found |= parts_in({"controls": found.get("controls")})
        if found.get("faces") is not None:
            found["faces"] = part_of("faces", found["faces"], f"{where}.faces")
    return found


def picture_file(picture: PictureLike, field: str) -> bytes:
    """Return a picture as the bytes of its file. Raises BadValue, naming `field`, for what cannot be read."""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, Image.Image):
        return png_bytes(picture if picture.mode in STORABLE else picture.convert("RGB"))
    try:
        return Path(picture).read_bytes()
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise BadValue(field, str(picture), "a file that can be read", remedy=(said or "").lower()) from None


def picture_files(pictures: PictureLike | Sequence[PictureLike], field: str) -> list[bytes]:
    """Return one picture or several as the bytes of their files. Raises BadValue as picture_file() does."""
    each = [pictures] if isinstance(pictures, str | Path | bytes | Image.Image) else pictures
    return [picture_file(one, f"{field}[{place}]") for place, one in enumerate(each)]


def sketched(
    strokes: Sequence[Mapping[str, Any]] | str, on: PictureLike | None, size: tuple[Any, Any], paper: str
) -> tuple[Image.Image, Image.Image]:
    """Return what strokes were drawn on and what came of it, both RGB.

    strokes: as JSON or as it would be read. size: width and height of blank paper, where nothing is drawn on.
    """
    from easel.core.limits import MAX_SIDE
    from easel.media.reading import flat, open_image
    from easel.media.strokes import blank, drawn, paper_colour, read_strokes

    lines = read_strokes(strokes if isinstance(strokes, str) else json.dumps([dict(one) for one in strokes]))
    if on is not None:
        ground = flat(open_image(picture_file(on, "on"), "on"))
    else:
        for name, side in zip(("width", "height"), size, strict=True):
            if not isinstance(side, int) or not 8 <= side <= MAX_SIDE:
                raise BadValue(name, side, f"8 to {MAX_SIDE} for blank paper", remedy="or name a picture to draw on")
        ground = blank(size, paper_colour(paper, "paper"))
    return ground, drawn(lines, ground)
