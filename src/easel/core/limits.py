"""Bounds that every door keeps, and the kinds of value that several parts of a request share."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo

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


def file_bytes(given: Any, info: ValidationInfo) -> bytes:
    """Return a file's bytes; from JSON they come as base64. Text is refused: a path is not a picture."""
    if isinstance(given, str) and info.mode == "json":
        return base64.b64decode(given, validate=True)
    if not isinstance(given, bytes):
        raise ValueError("the bytes of a picture's file")
    return given


# A picture's file as it stands on a disk: PNG, JPEG, WebP ...
ImageFile = Annotated[
    bytes,
    Field(min_length=1, max_length=MAX_FILE),
    BeforeValidator(file_bytes),
    PlainSerializer(lambda data: base64.b64encode(data).decode(), return_type=str, when_used="json"),
]
