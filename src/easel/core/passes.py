"""Parts of a request that say how words are read and what happens in and after the first pass.

Names and meanings are AUTOMATIC1111's. Each part stands in Request under its own name; a part left out does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from easel.core.errors import BadValue
from easel.core.limits import Name, OptionValue, Prompt, Seed, Share, Side, Steps
from easel.core.values import Value


class Words(Value):
    """How prompts are read.

    emphasis: "Original" keeps the mean of the encoded text, one request at a time; "No norm" does not; "Ignore" reads
    the marks and gives them no weight; "None" takes them for text.
    clip_skip: 1..12, the layer of the text encoder that is read, counted from the last.
    comma_backtrack: tokens, 0..75, that may move to the next chunk so that the cut falls behind a comma; 0 is off.
    old_editing: prompt editing as A1111 had it before 1.6: `when` below 1 is a share, always of the current pass.
    """

    spoken: ClassVar[str] = "words."

    emphasis: Literal["Original", "No norm", "Ignore", "None"] = "Original"
    clip_skip: int = Field(default=1, ge=1, le=12)
    comma_backtrack: int = Field(default=20, ge=0, le=75)
    old_editing: bool = False


class Variation(Value):
    """A small step from one seed's picture towards another's.

    strength: 0..1, 0 is the seed's own picture and 1 the other's. seed: the other; picture i of a batch takes seed + i;
    drawn at random where None. resize_from: (width, height) in pixels, multiples of 8, to grow the composition that the
    seed has at that size; None is off.
    """

    spoken: ClassVar[str] = "variation."

    seed: Seed | None = None
    strength: Share = 0.0
    resize_from: tuple[Side, Side] | None = None


class Hires(Value):
    """A second pass over the enlarged picture ("hires fix").

    scale: how much larger, 1..8; or width and height in pixels, of which one may be left out; both cut what overhangs.
    steps, sampler, schedule, cfg_scale, prompt, negative_prompt: of the second pass; None and "" take the first's.
    strength: denoising strength, 0..1. upscaler: `easel models upscalers` lists them.
    """

    spoken: ClassVar[str] = "hires."

    scale: float = Field(default=2.0, ge=1, le=8)
    width: Side | None = None
    height: Side | None = None
    steps: Steps | None = None
    strength: Share = 0.7
    upscaler: Name = "Latent"
    sampler: Name | None = None
    sampler_options: Mapping[Name, OptionValue] = Field(default_factory=dict)
    schedule: Name | None = None
    schedule_options: Mapping[Name, OptionValue] = Field(default_factory=dict)
    cfg_scale: Annotated[float, Field(ge=0, le=100)] | None = None
    prompt: Prompt = ""
    negative_prompt: Prompt = ""


class Refiner(Value):
    """A second model that takes over in the middle.

    model: its name. switch_at: 0..1, the share of the noise levels after which it leads.
    """

    spoken: ClassVar[str] = "refiner."

    model: Name
    switch_at: Share = 0.8


class Components(Value):
    """Parts of a model that come from files of their own, by name.

    vae: the autoencoder, or a small one (TAESD); "none" is the model's own, even where NAME.vae.* stands beside it.
    denoiser: U-Net or transformer. text_encoders: in any order; each takes the place of the one that it fits. None and
    () are the model's own.
    """

    spoken: ClassVar[str] = "components."

    vae: Name | None = None
    denoiser: Name | None = None
    text_encoders: tuple[Name, ...] = ()


class Guidance(Value):
    """How strongly the prompt leads.

    scale: classifier-free guidance scale (Ho & Salimans 2022); 1 leaves the negative prompt out.
    rescale: 0..1, share of the rescaling that holds the standard deviation (Lin et al. 2023, section 3.4).
    start, end: share of the steps, 0..1, in which guidance acts (Kynkäänniemi et al. 2024).
    distilled: the scale that a model with guidance distilled into it is told (Flux dev); others have no use for it.
    """

    spoken: ClassVar[str] = "guidance."

    scale: float | None = Field(default=None, ge=0, le=100)
    rescale: Share = 0.0
    start: Share = 0.0
    end: Share = 1.0
    distilled: float = Field(default=3.5, ge=0, le=100)

    @model_validator(mode="after")
    def _start_before_end(self) -> Self:
        if self.end < self.start:
            raise BadValue("guidance.start", self.start, f"at most guidance.end, {self.end}")
        return self


class Shortcuts(Value):
    """What may be left out for speed, at a price in the picture; docs/speed.md shows it. All off unless asked for.

    features_every: of so many model calls one computes the whole U-Net, the others its outermost layers (DeepCache,
    Ma et al. 2023); 1 is off. gate: share of a pass's steps after which neither the words are read anew nor the
    negative prompt (T-GATE, Zhang et al. 2024); 1 is off. ngms: noise level below which every other model call goes
    without the negative prompt (A1111's negative guidance minimum sigma); ngms_all: every call and not every other.
    """

    spoken: ClassVar[str] = "shortcuts."

    features_every: int = Field(default=1, ge=1, le=20)
    gate: Share = 1.0
    ngms: float = Field(default=0.0, ge=0, le=100)
    ngms_all: bool = False

    @model_validator(mode="after")
    def _all_of_some(self) -> Self:
        if self.ngms_all and not self.ngms:
            raise BadValue("shortcuts.ngms_all", True, "given together with ngms")
        return self
