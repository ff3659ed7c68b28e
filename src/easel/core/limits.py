"""Bounds that every door keeps, and the kinds of value that several parts of a request share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

MAX_PROMPT = 20_000  # characters; about 5,000 tokens, far beyond what any model heeds
MAX_NAME = 1000  # characters
MAX_SIDE = 4096  # pixels
MAX_STEPS = 1000
MAX_SEED = 2**63 - 1
MAX_FILE = 256 * 2**20  # bytes of one picture's file

Name = Annotated[str, Field(max_length=MAX_NAME)]
Prompt = Annotated[str, Field(max_length=MAX_PROMPT)]
OptionValue = bool | int | float | Name
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED - 2**20)]
Steps = Annotated[int, Field(ge=1, le=MAX_STEPS)]
Side = Annotated[int, Field(ge=8, le=MAX_SIDE, multiple_of=8)]
# A picture's file as it stands on a disk: PNG, JPEG, WebP ...; in JSON as base64.
ImageFile = Annotated[bytes, Strict(), Field(min_length=1, max_length=MAX_FILE)]
