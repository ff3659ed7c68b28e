"""What was asked: one frozen value, checked when made, the same for every door.

A field that is None means "the model's own habit" and is settled by the recipe.
This file knows ranges, not which samplers or models exist.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from easel.core.errors import BadValue, RequestError, UnknownName

MAX_PROMPT = 20_000  # characters; about 5,000 tokens, far beyond what any model heeds
MAX_SIDE = 4096  # pixels
MAX_STEPS = 1000
MAX_SEED = 2**63 - 1
RANDOM_SEEDS = 4294967294  # A1111 draws its random seeds below this

OptionValue = bool | int | float | str


class Guidance(BaseModel):
    """How strongly the prompt leads.

    scale: classifier-free guidance scale (Ho & Salimans 2022); 1 leaves the negative prompt out.
    rescale: 0..1, share of the rescaling that holds the standard deviation (Lin et al. 2023, section 3.4).
    start, end: share of the steps, 0..1, in which guidance acts (Kynkäänniemi et al. 2024).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    scale: float | None = Field(default=None, ge=0, le=100)
    rescale: float = Field(default=0.0, ge=0, le=1)
    start: float = Field(default=0.0, ge=0, le=1)
    end: float = Field(default=1.0, ge=0, le=1)


class Request(BaseModel):
    """One picture or one batch of pictures, asked in words.

    Pictures of a batch use seeds seed, seed + 1, ...; sizes are pixels, multiples of 8. alone: share no forward with
    other requests, for the same bits whatever else runs. preview_every: steps between previews, 0 for none.
    Raises BadValue or UnknownName (never pydantic's own error) when a field is wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    recipe: str = "text_to_image"
    prompt: str = Field(default="", max_length=MAX_PROMPT)
    negative_prompt: str = Field(default="", max_length=MAX_PROMPT)
    model: str = "starter"
    sampler: str | None = None
    sampler_options: Mapping[str, OptionValue] = Field(default_factory=dict)
    schedule: str | None = None
    schedule_options: Mapping[str, OptionValue] = Field(default_factory=dict)
    steps: int | None = Field(default=None, ge=1, le=MAX_STEPS)
    guidance: Guidance = Guidance()
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED - 2**20)
    width: int | None = Field(default=None, ge=8, le=MAX_SIDE, multiple_of=8)
    height: int | None = Field(default=None, ge=8, le=MAX_SIDE, multiple_of=8)
    batch_size: int = Field(default=1, ge=1, le=128)
    noise: Literal["CPU", "NV"] = "CPU"
    alone: bool = False
    preview_every: int = Field(default=0, ge=0, le=MAX_STEPS)

    @field_validator("prompt", "negative_prompt")
    @classmethod
    def _no_lone_surrogates(cls, text: str) -> str:
        for place, letter in enumerate(text):
            if "\ud800" <= letter <= "\udfff":
                raise BadValue("prompt", letter, "valid Unicode text", remedy=f"remove character {place + 1}")
        return text

    @model_validator(mode="wrap")
    @classmethod
    def _in_our_words(cls, value: Any, handler: Any) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            raise translated(error.errors()[0], tuple(cls.model_fields)) from None

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


def translated(detail: ErrorDetails, known: tuple[str, ...]) -> RequestError:
    """Return pydantic's finding as one of our errors."""
    place = ".".join(str(part) for part in detail["loc"]) or "request"
    kind, got, facts = detail["type"], detail.get("input"), detail.get("ctx", {})
    if kind == "extra_forbidden":
        return UnknownName("request field", place, known)
    allowed = {
        "greater_than_equal": f"at least {facts.get('ge')}",
        "less_than_equal": f"at most {facts.get('le')}",
        "multiple_of": f"a multiple of {facts.get('multiple_of')}",
        "finite_number": "a finite number",
        "string_too_long": f"at most {facts.get('max_length')} characters",
        "string_unicode": "valid Unicode text",
        "literal_error": str(facts.get("expected")),
    }.get(kind, detail["msg"])
    remedy = None
    if kind == "multiple_of" and isinstance(got, int):
        step = int(facts["multiple_of"])
        remedy = f"nearest are {got // step * step or step} and {(got // step + 1) * step}"
    return BadValue(place, got, allowed, remedy=remedy)
