"""The fields of each part, as the page shows them: names as in core, kinds of widgets, bounds, and when they are shown.

Labels are the words "parts.PART.NAME" or "parts.NAME". A new field of a part is a line here and its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from easel.core.control import MOST_UNITS, Control, ImagePrompt
from easel.core.detail import Detail
from easel.core.finishing import Background, Enlarge, Faces
from easel.core.limits import MAX_SIDE
from easel.core.values import Value

Kind = Literal[
    "picture", "pictures", "choice", "list", "range", "number", "text", "words", "names", "check", "colour", "options"
]
Shown = Mapping[str, tuple[Any, ...]]
ANY = "*"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a part. name: the widget's; core: the place in core's value where it is called otherwise.

    kind: what it looks like. "list" chooses what lists.py has under `of`, "names" are texts parted by commas, "options"
    are the preprocessor's. least, greatest, step: of numbers. values: to choose from. empty: a choice may be none;
    first: of a choice that may be none, the first there is to begin with.
    own: it says nothing to the request, and only shows others. value: what it shows to begin with.
    shown: other fields and the values with which this one counts, ANY for any that is said; all must hold.
    more: shown only when asked for. whole: whether a number is a whole one.
    """

    name: str
    kind: Kind
    core: str = ""
    least: float = 0
    greatest: float = 1
    step: float = 0.05
    values: tuple[str, ...] = ()
    of: str = ""
    empty: bool = False
    first: bool = False
    own: bool = False
    value: Any = None
    shown: Shown = field(default_factory=dict[str, tuple[Any, ...]])
    more: bool = False
    whole: bool = False

    @property
    def place(self) -> str:
        """The place in core's value; parts of it are parted by points."""
        return self.core or self.name


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a request. name: its field there. value: core's class. most: how many of it there may be."""

    name: str
    value: type[Value]
    most: int
    fields: tuple[Field, ...]

    def usual(self, field: Field) -> Any:
        """Return what a field shows to begin with: what the table says, else core's own value."""
        if field.value is not None:
            return field.value
        known = self.value.model_fields.get(field.place)
        return None if known is None or known.is_required() else known.get_default(call_default_factory=True)


def slider(name: str, most: float = 1, *, step: float = 0.05, least: float = 0, **more: Any) -> Field:
    """Return a number on a scale."""
    return Field(name, "range", least=least, greatest=most, step=step, **more)


def number(name: str, most: float, *, least: float = 0, step: float = 1, whole: bool = True, **more: Any) -> Field:
    """Return a number that is typed; empty is left to whoever draws."""
    return Field(name, "number", least=least, greatest=most, step=step, whole=whole, **more)


def choice(name: str, *values: str, **more: Any) -> Field:
    """Return a choice among a few values."""
    return Field(name, "choice", values=values, **more)


PASSES = choice("passes", "both", "first", "second", more=True)
RANGE = (slider("start"), slider("end"))
CONTROLS = Part(
    "controls",
    Control,
    MOST_UNITS,
    (
        Field("image", "picture"),
        Field("preprocessor", "list", of="preprocessors", value="canny"),
        Field("options", "options", of="preprocessor"),
        Field("model", "list", of="controls", empty=True, first=True),
        slider("weight", 2),
        *RANGE,
        choice("mode", "balanced", "prompt", "control"),
        choice("resize", "just resize", "crop and resize", "resize and fill", more=True),
        Field("pixel_perfect", "check", more=True),
        number("resolution", 4096, least=8, more=True, shown={"pixel_perfect": (False,)}),
        Field("region", "picture", more=True),
        Field("mask", "picture", more=True),
        Field("kind", "text", more=True),
        Field("blocks", "names", more=True),
        PASSES,
    ),
)
IMAGE_PROMPTS = Part(
    "image_prompts",
    ImagePrompt,
    MOST_UNITS,
    (
        Field("images", "pictures"),
        Field("model", "list", of="image_prompts"),
        slider("weight", 2),
        *RANGE,
        choice("combine", "beside", "average", more=True),
        Field("weights", "names", more=True),
        Field("reader", "list", of="readers", empty=True, more=True),
        Field("region", "picture", more=True),
        PASSES,
    ),
)
BY_WORDS, BY_MODEL, ALONE = {"by": ("words",)}, {"by": ("model",)}, {"only_masked": (True,)}
DETAILS = Part(
    "details",
    Detail,
    MOST_UNITS,
    (
        choice("by", "words", "faces", "model", "mask"),
        Field("find", "text", shown=BY_WORDS),
        Field("detector", "list", core="find", of="detectors", shown=BY_MODEL),
        Field("classes", "names", shown=BY_MODEL),
        Field("mask", "picture", shown={"by": ("mask",)}),
        Field("prompt", "words"),
        Field("negative_prompt", "words", more=True),
        slider("strength"),
        slider("confidence", shown={"by": ("words", "faces", "model")}),
        number("most", 64, more=True),
        choice("order", "confidence", "area", "left to right", "centre", more=True),
        slider("least", step=0.01, more=True),
        slider("greatest", step=0.01, more=True),
        choice("merge", "", "merge", "invert", more=True),
        slider("grow", 128, least=-128, step=1, more=True),
        slider("blur", 64, step=1, more=True),
        number("move_x", 200, least=-200, more=True),
        number("move_y", 200, least=-200, more=True),
        Field("only_masked", "check", more=True),
        slider("padding", 256, step=4, more=True, shown=ALONE),
        number("width", MAX_SIDE, least=8, step=8, more=True, shown=ALONE),
        number("height", MAX_SIDE, least=8, step=8, more=True, shown=ALONE),
        Field("model", "list", of="models", empty=True, more=True),
        Field("sampler", "list", of="samplers", empty=True, more=True),
        Field("schedule", "list", of="schedules", empty=True, more=True),
        number("steps", 1000, least=1, more=True),
        number("cfg_scale", 100, step=0.5, whole=False, more=True),
        number("clip_skip", 12, least=1, more=True),
        number("noise_multiplier", 1.5, step=0.05, whole=False, more=True),
        Field("faces", "list", core="faces.restorer", of="restorers", empty=True, more=True),
    ),
)
BY_SIZE = {"by": ("size",)}
ENLARGE = Part(
    "enlarge",
    Enlarge,
    1,
    (
        Field("upscaler", "list", of="upscalers"),
        choice("by", "scale", "size", own=True, value="scale"),
        slider("scale", 8, least=0.25, step=0.25, shown={"by": ("scale",)}),
        number("width", 16384, least=1, shown=BY_SIZE),
        number("height", 16384, least=1, shown=BY_SIZE),
        Field("crop", "check", shown=BY_SIZE),
        Field("second", "list", of="upscalers", empty=True, more=True),
        slider("second_share", more=True, shown={"second": (ANY,)}),
        number("tile", 4096, more=True),
        Field("first", "check", more=True),
    ),
)
FACES = Part(
    "faces",
    Faces,
    4,
    (Field("restorer", "list", of="restorers"), slider("visibility"), slider("fidelity")),
)
BACKGROUND = Part(
    "background",
    Background,
    1,
    (
        Field("model", "list", of="backgrounds"),
        choice("behind", "clear", "colour", "picture", own=True, value="clear"),
        Field("colour", "colour", value="#ffffff", shown={"behind": ("colour",)}),
        Field("image", "picture", shown={"behind": ("picture",)}),
        slider("tolerance", 100, step=1, shown={"model": ("flat",)}),
        slider("feather", 64, step=0.5),
        Field("holes", "check", shown={"model": ("flat",)}),
        Field("mask_only", "check", more=True),
    ),
)
PARTS: Mapping[str, Part] = {part.name: part for part in (CONTROLS, IMAGE_PROMPTS, DETAILS, ENLARGE, FACES, BACKGROUND)}
GROUPS: Mapping[str, tuple[str, ...]] = {  # parts that stand under one heading
    "control": ("controls",),
    "pictures": ("image_prompts",),
    "detail": ("details",),
    "after": ("enlarge", "faces", "background"),
}
