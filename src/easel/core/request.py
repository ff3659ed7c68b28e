"""What was asked: one frozen value, checked when made, the same for every door.

A field that is None means "the model's own habit" and is settled by the recipe.
This file knows ranges, not which samplers or models exist.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from easel.core.errors import BadValue
from easel.core.values import Value

MAX_PROMPT = 20_000  # characters; about 5,000 tokens, far beyond what any model heeds
MAX_NAME = 1000  # characters
MAX_SIDE = 4096  # pixels
MAX_STEPS = 1000
MAX_SEED = 2**63 - 1
RANDOM_SEEDS = 4294967294  # A1111 draws its random seeds below this

Name = Annotated[str, Field(max_length=MAX_NAME)]
OptionValue = bool | int | float | Name


class Guidance(Value):
    """How strongly the prompt leads.

    scale: classifier-free guidance scale (Ho & Salimans 2022); 1 leaves the negative prompt out.
    rescale: 0..1, share of the rescaling that holds the standard deviation (Lin et al. 2023, section 3.4).
    start, end: share of the steps, 0..1, in which guidance acts (Kynkäänniemi et al. 2024).
    """

    spoken: ClassVar[str] = "guidance."

    scale: float | None = Field(default=None, ge=0, le=100)
    rescale: float = Field(default=0.0, ge=0, le=1)
    start: float = Field(default=0.0, ge=0, le=1)
    end: float = Field(default=1.0, ge=0, le=1)

    @model_validator(mode="after")
    def _start_before_end(self) -> Self:
        if self.end < self.start:
            raise BadValue("guidance.start", self.start, f"at most guidance.end, {self.end}")
        return self


class Request(Value):
    """One picture or one batch of pictures, asked in words.

    Pictures of a batch use seeds seed, seed + 1, ...; sizes are pixels, multiples of 8. alone: share no forward with
    other requests, for the same bits whatever else runs. preview_every: steps between previews, 0 for none.
    """

    recipe: Name = "text_to_image"
    prompt: str = Field(default="", max_length=MAX_PROMPT)
    negative_prompt: str = Field(default="", max_length=MAX_PROMPT)
    model: Name = "starter"
    sampler: Name | None = None
    sampler_options: Mapping[Name, OptionValue] = Field(default_factory=dict)
    schedule: Name | None = None
    schedule_options: Mapping[Name, OptionValue] = Field(default_factory=dict)
    steps: int | None = Field(default=None, ge=1, le=MAX_STEPS)
    guidance: Guidance = Guidance()
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED - 2**20)
    width: int | None = Field(default=None, ge=8, le=MAX_SIDE, multiple_of=8)
    height: int | None = Field(default=None, ge=8, le=MAX_SIDE, multiple_of=8)
    batch_size: int = Field(default=1, ge=1, le=128)
    noise: Literal["CPU", "NV"] = "CPU"
    alone: bool = False
    preview_every: int = Field(default=0, ge=0, le=MAX_STEPS)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each picture; the request must be settled."""
        if self.seed is None:
            raise BadValue("seed", None, "a settled seed", remedy="call settled() first")
        return tuple(self.seed + i for i in range(self.batch_size))

    def settled(self) -> Request:
        """Return this request with a seed, drawn at random where none was given."""
        if self.seed is not None:
            return self
        return self.model_copy(update={"seed": random.randrange(RANDOM_SEEDS)})
