"""What was asked: one frozen value, checked when made, the same for every door.

A field that is None means "the model's own habit" and is settled by the recipe.
This file knows ranges, not which samplers or models exist; its larger parts stand in files of their own beside it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from easel.core.control import MOST_UNITS, Control, ImagePrompt
from easel.core.detail import Detail
from easel.core.errors import BadValue
from easel.core.finishing import Background, Enlarge, Faces
from easel.core.limits import MAX_STEPS, Name, OptionValue, Prompt, Seed, Side, Steps
from easel.core.motion import Motion
from easel.core.passes import Components, Guidance, Hires, Refiner, Shortcuts, Variation, Words
from easel.core.pictures import Mask, Outpaint, Start, Tiles
from easel.core.values import Value

RANDOM_SEEDS = 4294967294  # A1111 draws its random seeds below this
# Parts of which a recipe says which it knows.
STORIES = ("start", "mask", "outpaint", "tiles", "hires", "refiner", "motion")


class Request(Value):
    """One picture or one batch of pictures, asked in words and pictures.

    Pictures of a batch use seeds seed, seed + 1, ...; sizes are pixels, multiples of 8. recipe: which story is told of
    it; each refuses the parts (start, mask, hires ...) that it has no use for.
    motion: makes one clip of the pictures, whose frames they are.
    controls, image_prompts: pictures that lead beside the words. details, faces, enlarge, background: what becomes of
    the finished pictures, in this order.
    seamless: directions in which the picture's edges meet. ensd: added to the seeds of later noise (A1111's eta noise
    seed delta). tiled_decode: side in pixels of the tiles in which a large picture is decoded, to save memory; 0 is
    off.
    alone: share no forward with other requests, for the same bits whatever else runs. preview_every: steps between
    previews, 0 for none.
    """

    recipe: Name = "text_to_image"
    prompt: Prompt = ""
    negative_prompt: Prompt = ""
    words: Words = Words()
    model: Name = "starter"
    components: Components = Components()
    sampler: Name | None = None
    sampler_options: Mapping[Name, OptionValue] = Field(default_factory=dict)
    schedule: Name | None = None
    schedule_options: Mapping[Name, OptionValue] = Field(default_factory=dict)
    steps: Steps | None = None
    guidance: Guidance = Guidance()
    shortcuts: Shortcuts = Shortcuts()
    seed: Seed | None = None
    variation: Variation = Variation()
    ensd: int = Field(default=0, ge=-(2**31), le=2**31)
    width: Side | None = None
    height: Side | None = None
    batch_size: int = Field(default=1, ge=1, le=128)
    start: Start | None = None
    mask: Mask | None = None
    outpaint: Outpaint | None = None
    tiles: Tiles | None = None
    hires: Hires | None = None
    refiner: Refiner | None = None
    motion: Motion | None = None
    controls: tuple[Control, ...] = Field(default=(), max_length=MOST_UNITS)
    image_prompts: tuple[ImagePrompt, ...] = Field(default=(), max_length=MOST_UNITS)
    details: tuple[Detail, ...] = Field(default=(), max_length=MOST_UNITS)
    enlarge: Enlarge | None = None
    faces: tuple[Faces, ...] = Field(default=(), max_length=4)
    background: Background | None = None
    seamless: Literal["", "x", "y", "xy"] = ""
    tiled_decode: int = Field(default=0, ge=0, le=4096, multiple_of=8)
    noise: Literal["CPU", "NV"] = "CPU"
    alone: bool = False
    preview_every: int = Field(default=0, ge=0, le=MAX_STEPS)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each picture; the request must be settled."""
        if self.seed is None:
            raise BadValue("seed", None, "a settled seed", remedy="call settled() first")
        return tuple(self.seed if self.variation.strength else self.seed + i for i in range(self.batch_size))

    @property
    def variation_seeds(self) -> tuple[int, ...]:
        """The variation's seed of each picture; the request must be settled."""
        first = self.variation.seed or 0
        return tuple(first + i for i in range(self.batch_size))

    def settled(self) -> Request:
        """Return this request with its seeds, drawn at random where none was given."""
        found: dict[str, object] = {}
        if self.seed is None:
            found["seed"] = random.randrange(RANDOM_SEEDS)
        if self.variation.strength and self.variation.seed is None:
            found["variation"] = self.variation.model_copy(update={"seed": random.randrange(RANDOM_SEEDS)})
        return self.model_copy(update=found) if found else self

    def one(self, picture: int) -> Request:
        """Return the request for picture number `picture` of this settled batch alone."""
        variation = self.variation.model_copy(update={"seed": self.variation_seeds[picture]})
        return self.model_copy(
            update={
                "seed": self.seeds[picture],
                "batch_size": 1,
                "variation": variation if self.variation.strength else self.variation,
            }
        )
