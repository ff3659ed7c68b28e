"""Parts of a request that work regions of a finished picture over at full resolution ("detailer", "ADetailer").

Pictures travel as the bytes of their files; nothing here opens them. Names and meanings are ADetailer's where it
has any.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from easel.core.control import Control
from easel.core.errors import BadValue
from easel.core.finishing import Faces
from easel.core.limits import ImageFile, Name, Prompt, Share, Side, Steps
from easel.core.passes import Components
from easel.core.values import Value

By = Literal["words", "faces", "model", "mask"]


class Detail(Value):
    """Regions found, each painted anew by its own words and pasted back.

    by: how they are found. "words": where the model itself looks for the words of `find` (its cross-attention), which
    needs no weights; they may be any words, of the prompt or not. "faces": frontal faces. "model": a detector's file
    of the models folder, named by `find`; classes: names or numbers of what it is to find, () for all. "mask": a mask
    of the picture's size, white where to work.
    prompt, negative_prompt: "" takes the picture's; [PROMPT] in them stands for it, [SEP] parts those of the first,
    second ... region, and [SKIP] leaves a region out.
    confidence: 0..1, what is found must reach it; for words, the share of the strongest attention. least, greatest:
    0..1, share of the picture that a region may take.
    order: by which regions are counted. most: how many are worked on, 0 for all.
    grow: pixels, -128..128, by which a region is grown or shrunk, half of them on either side as in ADetailer.
    move_x, move_y: pixels to the right and up.
    merge: "merge" joins all regions, "invert" works on all that is none.
    blur: 0..64 pixels of soft edge. strength: 0..1, denoising strength. only_masked: work at full resolution on the
    region alone, with `padding` pixels around it; width, height: of the work, None takes the size of the drawing.
    steps, cfg_scale, sampler, schedule, clip_skip, noise_multiplier, model, components: of the work; None takes the
    picture's. faces: restored in the region afterwards. controls: units that lead the work.
    """

    spoken: ClassVar[str] = "details."

    by: By = "words"
    find: Annotated[str, Field(max_length=1000)] = ""
    classes: tuple[Name, ...] = ()
    mask: ImageFile | None = Field(default=None, repr=False)
    prompt: Prompt = ""
    negative_prompt: Prompt = ""
    confidence: Share = 0.3
    least: Share = 0.0
    greatest: Share = 1.0
    order: Literal["confidence", "area", "left to right", "centre"] = "confidence"
    most: int = Field(default=0, ge=0, le=64)
    grow: int = Field(default=4, ge=-128, le=128)
    move_x: int = Field(default=0, ge=-200, le=200)
    move_y: int = Field(default=0, ge=-200, le=200)
    merge: Literal["", "merge", "invert"] = ""
    blur: float = Field(default=4.0, ge=0, le=64)
    strength: Share = 0.4
    only_masked: bool = True
    padding: int = Field(default=32, ge=0, le=256)
    width: Side | None = None
    height: Side | None = None
    steps: Steps | None = None
    cfg_scale: Annotated[float, Field(ge=0, le=100)] | None = None
    sampler: Name | None = None
    schedule: Name | None = None
    clip_skip: Annotated[int, Field(ge=1, le=12)] | None = None
    noise_multiplier: Annotated[float, Field(ge=0, le=1.5)] | None = None
    model: Name | None = None
    components: Components | None = None
    faces: Faces | None = None
    controls: tuple[Control, ...] = Field(default=(), max_length=16)

    @model_validator(mode="after")
    def _findable(self) -> Self:
        if self.by in ("words", "model") and not self.find.strip():
            allowed = "words to look for" if self.by == "words" else "a detector's name"
            raise BadValue("details.find", self.find, allowed)
        if self.by == "mask" and self.mask is None:
            raise BadValue("details.mask", None, "given where regions are found by a mask")
        if self.greatest < self.least:
            raise BadValue("details.least", self.least, f"at most details.greatest, {self.greatest}")
        return self
