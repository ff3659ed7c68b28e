"""Parts of a request that are pictures: what to start from, where to paint, how far to grow.

Pictures travel as the bytes of their files; nothing here opens them. Names and meanings are AUTOMATIC1111's.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from easel.core.errors import BadValue
from easel.core.limits import MAX_SIDE, ImageFile, Name, Share
from easel.core.values import Value

Resize = Literal["just resize", "crop and resize", "resize and fill", "latent resize"]
Fill = Literal["fill", "original", "latent noise", "latent nothing"]
Margin = Annotated[int, Field(ge=0, le=MAX_SIDE, multiple_of=8)]


class Start(Value):
    """The picture to start from.

    image: its file. resize: how it is brought to the size asked for. strength: denoising strength, 0..1: the share of
    the steps that are taken; at 0 one is, at the schedule's lowest noise.
    all_steps: take all steps that were asked for instead of their share.
    noise_multiplier: 0..1.5, of the noise laid over the picture. extra_noise: 0..1, more of it, after the first step's.
    match_colours: give the result the picture's colours again.
    """

    spoken: ClassVar[str] = "start."

    image: ImageFile = Field(repr=False)
    resize: Resize = "just resize"
    strength: Share = 0.75
    all_steps: bool = False
    noise_multiplier: float = Field(default=1.0, ge=0, le=1.5)
    extra_noise: Share = 0.0
    match_colours: bool = False


class Soft(Value):
    """Soft (differential) inpainting: grey in the mask is how much may change, and edges melt into the picture.

    Levin and Fried 2023 (arXiv 2306.00950), with the settings of A1111's extension of that name.
    schedule_bias: 0..8, above 1 keeps more while there is much noise and less towards the end. preservation: 0..8, how
    firmly grey places are kept. contrast: 1..32, holds back the paleness of what is half old and half new.
    What is pasted is decided by how far a place has changed: by half at difference_threshold, 0..8, and the more
    sharply the greater difference_contrast, 0..8; mask_influence, 0..1, is how much less a place counts that is grey.
    """

    spoken: ClassVar[str] = "mask.soft."

    schedule_bias: float = Field(default=1.0, ge=0, le=8)
    preservation: float = Field(default=0.5, ge=0, le=8)
    contrast: float = Field(default=4.0, ge=1, le=32)
    mask_influence: Share = 0.0
    difference_threshold: float = Field(default=0.5, ge=0, le=8)
    difference_contrast: float = Field(default=2.0, ge=0, le=8)


class Mask(Value):
    """Where to paint: white is painted anew, black stays as it is, bit for bit.

    image: a file of the start picture's size; None takes the start picture's own transparency.
    channel: "light" reads the mask's brightness, "alpha" its opacity, as a drawing layer has it.
    invert: paint where the mask is black. blur: 0..64 pixels, softens the edge.
    fill: what stands under the mask at the beginning. only_masked: work on the masked part alone, enlarged to the size
    asked for, or the model's own, with `padding` pixels, 0..256, around it.
    weight: 0..1, how much an inpainting checkpoint is told of the mask.
    """

    spoken: ClassVar[str] = "mask."

    image: ImageFile | None = Field(default=None, repr=False)
    channel: Literal["light", "alpha"] = "light"
    invert: bool = False
    blur: float = Field(default=4.0, ge=0, le=64)
    fill: Fill = "original"
    only_masked: bool = False
    padding: int = Field(default=32, ge=0, le=256)
    weight: Share = 1.0
    soft: Soft | None = None


class Outpaint(Value):
    """How far to grow a picture: pixels on each side, multiples of 8.

    feather: pixels, 0..256, in which old and new melt. reach: most pixels grown in one pass, so that what is new always
    sees enough of what is there.
    """

    spoken: ClassVar[str] = "outpaint."

    left: Margin = 0
    right: Margin = 0
    top: Margin = 0
    bottom: Margin = 0
    feather: int = Field(default=16, ge=0, le=256)
    reach: Annotated[int, Field(ge=8, le=MAX_SIDE, multiple_of=8)] | None = None

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if not (self.left or self.right or self.top or self.bottom):
            raise BadValue("outpaint", "no side", "at least one side to grow", remedy="for example right=64")
        return self


class Tiles(Value):
    """A large picture worked on tile by tile ("SD upscale").

    scale: how much larger, 1..8. upscaler: `easel models upscalers` lists them. overlap: pixels, multiples of 8, that
    neighbouring tiles share and in which they melt; a tile's size is the request's.
    """

    spoken: ClassVar[str] = "tiles."

    scale: float = Field(default=2.0, ge=1, le=8)
    upscaler: Name = "Lanczos"
    overlap: Annotated[int, Field(ge=0, le=512, multiple_of=8)] = 64
