"""The keywords of a Studio's methods, and how they become a request.

Words are those of Request and its parts; what the methods share stands here once. Decides nothing about pictures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from PIL import Image

from easel.core.errors import BadValue
from easel.core.limits import OptionValue
from easel.core.passes import Components, Guidance, Hires, Refiner, Shortcuts, Variation, Words
from easel.core.pictures import Fill, Resize, Soft
from easel.core.request import Request
from easel.core.settings import Settings
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
STORABLE = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16")  # modes of Pillow that a PNG holds


class Fields(TypedDict, total=False):
    """What every method takes; what is left out is the model's choice. Sizes are pixels, multiples of 8."""

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


def requests_of(
    prompt: str | Sequence[str], fields: Mapping[str, Any], settings: Settings, **more: Any
) -> list[Request]:
    """Return the requests of each prompt, styles laid on and choices made. more: fields of the request itself.

    Raises BadValue or UnknownName.
    """
    given = {name: value for name, value in fields.items() if name not in (*GUIDANCE, "styles")}
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
