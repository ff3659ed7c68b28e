"""Parts of a request that lead by pictures: hints for control models, and pictures in the place of words.

Pictures travel as the bytes of their files; nothing here opens them. Where a name is A1111's, so is its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from easel.core.errors import BadValue
from easel.core.limits import MAX_SIDE, ImageFile, Name, OptionValue, Share
from easel.core.pictures import Resize
from easel.core.values import Value

Mode = Literal["balanced", "prompt", "control"]
Passes = Literal["both", "first", "second"]
Weight = Annotated[float, Field(ge=0, le=2)]
MOST_UNITS = 16


class Control(Value):
    """One control model with its hint: a unit of ControlNet, a T2I-Adapter, or a reference without a model.

    image: the picture that leads; None takes the request's start picture. preprocessor: what draws the hint from it,
    "none" where it is a hint already; options: its own. resolution: pixels of the shorter side at which it looks at
    the picture; pixel_perfect: that at which a pixel of the hint is one of the picture drawn. mask: white where the
    preprocessor is to see nothing (inpaint).
    model: the control model's name; None for the preprocessors reference_only, reference_adain and
    reference_adain+attn, which need none and whose option is fidelity, 0..1. kind: what a union model is to take the
    hint for; "" is what the preprocessor draws.
    weight: 0..2. blocks: factors of the weight for each of the model's blocks, the outermost first; () for all alike.
    start, end: share of the steps, 0..1, in which it leads. mode: "prompt" leads more softly within, "control" so too
    and the prompt's side of guidance alone. resize: how the hint is brought to the picture's size.
    region: a mask of the picture drawn, white where it leads; None for everywhere. passes: of a hires fix, which.
    """

    spoken: ClassVar[str] = "controls."

    image: ImageFile | None = Field(default=None, repr=False)
    preprocessor: Name = "none"
    options: Mapping[Name, OptionValue] = Field(default_factory=dict)
    resolution: Annotated[int, Field(ge=8, le=MAX_SIDE)] | None = None
    pixel_perfect: bool = False
    mask: ImageFile | None = Field(default=None, repr=False)
    model: Name | None = None
    kind: Name = ""
    weight: Weight = 1.0
    blocks: tuple[Weight, ...] = Field(default=(), max_length=64)
    start: Share = 0.0
    end: Share = 1.0
    mode: Mode = "balanced"
    resize: Resize = "crop and resize"
    region: ImageFile | None = Field(default=None, repr=False)
    passes: Passes = "both"

    @model_validator(mode="after")
    def _start_before_end(self) -> Self:
        return before_end(self, "controls.start")


class ImagePrompt(Value):
    """Pictures that lead as words do (IP-Adapter).

    images: of which each counts as `weights` says, () for all alike. model: the adapter's name. reader: the picture
    reader's (CLIP vision) name; None takes the one that fits. combine: whether their tokens stand beside each other or
    are averaged. weight: 0..2. start, end: share of the steps, 0..1, in which they lead.
    region: a mask of the picture drawn, white where they lead; None for everywhere. passes: of a hires fix, which.
    """

    spoken: ClassVar[str] = "image_prompts."

    images: tuple[ImageFile, ...] = Field(min_length=1, max_length=MOST_UNITS, repr=False)
    model: Name
    reader: Name | None = None
    weight: Weight = 1.0
    weights: tuple[Weight, ...] = ()
    combine: Literal["beside", "average"] = "beside"
    start: Share = 0.0
    end: Share = 1.0
    region: ImageFile | None = Field(default=None, repr=False)
    passes: Passes = "both"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.weights and len(self.weights) != len(self.images):
            allowed = f"one for each of the {len(self.images)} images, or none"
            raise BadValue("image_prompts.weights", f"{len(self.weights)} weights", allowed)
        return before_end(self, "image_prompts.start")


def before_end(unit: Any, field: str) -> Any:
    """Return a unit whose range does not end before it starts. Raises BadValue naming `field`."""
    if unit.end < unit.start:
        raise BadValue(field, unit.start, f"at most its end, {unit.end}")
    return unit
