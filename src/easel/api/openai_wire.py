"""What clients of OpenAI's images API send, and what it asks for in our words. A pure translation.

Fields that this API knows and Easel has not are refused by name; so are fields that neither knows, as its own server
does. `easel` is ours: fields of core.Request, for what the API has no words for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from easel.core.errors import BadValue, RequestError, UnknownName, Unsupported
from easel.core.limits import MAX_PROMPT
from easel.core.request import Request
from easel.core.values import translated

SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
EVERY_STEP = 1  # previews are asked for at each step, and those sent that a client has asked for
VARIED = 0.6  # denoising strength of a variation: the same things, drawn otherwise
EDITED = 0.75  # of an edit without a mask

# Known to the API, and without a counterpart here unless it is one of these values.
ONLY: Mapping[str, tuple[Any, ...]] = {
    "quality": ("auto", "medium", "standard"),
    "background": ("auto", "opaque"),
    "style": (),
    "complexity": (),
    "frame_count": (),
    "frame_duration_ms": (),
    "svg": (),
    "input_fidelity": (),
    "markup": (),
}


class Asking(BaseModel):
    """What all three routes share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(default=None, max_length=1000)
    n: int = Field(default=1, ge=1, le=10)
    size: str = "auto"
    response_format: Literal["url", "b64_json"] = "b64_json"
    output_format: Literal["png", "jpeg", "webp"] = "png"
    output_compression: int = Field(default=100, ge=0, le=100)
    quality: str = "auto"
    background: str = "auto"
    moderation: Literal["auto", "low"] = "auto"  # nothing is moderated, which is as low as it gets
    style: str | None = None
    complexity: str | None = None
    frame_count: int | None = None
    frame_duration_ms: int | None = None
    svg: Any = None
    user: str | None = None
    safety_identifier: str | None = None
    stream: bool = False
    partial_images: int = Field(default=0, ge=0, le=3)
    easel: dict[str, Any] = Field(default_factory=dict[str, Any])

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        """Leave out what is null, which means the default."""
        if isinstance(given, Mapping):
            return {name: value for name, value in given.items() if value is not None}  # pyright: ignore[reportUnknownVariableType]
        return given


class Generation(Asking):
    """The body of /v1/images/generations."""

    prompt: str = Field(max_length=MAX_PROMPT)


class Edit(Asking):
    """The fields of /v1/images/edits beside its files."""

    prompt: str = Field(max_length=MAX_PROMPT)
    input_fidelity: str | None = None


class Variation(Asking):
    """The fields of /v1/images/variations beside its file."""


def read(kind: type[Asking], given: Any) -> Any:
    """Return a body or form as a value of `kind`. Raises BadValue, or UnknownName for a field that is not known."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise translated(error.errors()[0], tuple(kind.model_fields), kind="parameter") from None


def request_of(wire: Asking, start: bytes | None = None, mask: bytes | None = None) -> Request:
    """Return the settled request of a call. Raises RequestError that names the parameter.

    start: the picture's file, of edits and variations. mask: a file whose clear places are painted.
    """
    refuse(wire)
    fields: dict[str, Any] = {"batch_size": wire.n, "prompt": getattr(wire, "prompt", "")}
    if isinstance(wire, Generation | Edit) and not wire.prompt.strip():
        raise BadValue("prompt", wire.prompt, "words that say what to draw")
    if wire.model:
        fields["model"] = wire.model
    size = size_of(wire.size)
    if size:
        fields |= {"width": size[0], "height": size[1]}
    if wire.stream and wire.partial_images:
        fields["preview_every"] = EVERY_STEP
    if start is not None:
        fields |= painting(wire, start, mask)
    try:
        return Request(**joined(fields, wire.easel)).settled()
    except (BadValue, UnknownName) as error:
        raise spoken(error) from None


def refuse(wire: Asking) -> None:
    """Raise Unsupported, by name, for what cannot be honoured."""
    for field, usual in ONLY.items():
        value = getattr(wire, field, None)
        if value is not None and value not in usual:
            allowed = f"allowed is {' or '.join(usual)}" if usual else "leave it out"
            raise Unsupported(f"{field} {value!r} cannot be honoured; {allowed}.")
    if wire.stream and isinstance(wire, Variation):
        raise Unsupported("stream cannot be honoured for variations; leave it out.")
    if wire.partial_images and not wire.stream:
        raise BadValue("partial_images", wire.partial_images, "0 without stream")
    if wire.stream and wire.response_format == "url":
        raise BadValue("response_format", "url", "b64_json with stream")
    if wire.response_format == "url" and wire.output_format != "png":
        raise BadValue("output_format", wire.output_format, "png with response_format url, as pictures are kept")


def size_of(text: str) -> tuple[int, int] | None:
    """Return width and height of "1024x1536", None of "auto". Raises BadValue."""
    if text == "auto":
        return None
    found = SIZE.fullmatch(text)
    if found is None:
        raise BadValue("size", text, "WIDTHxHEIGHT in pixels, or auto", remedy="for example 1024x1024")
    return int(found[1]), int(found[2])


def painting(wire: Asking, start: bytes, mask: bytes | None) -> dict[str, Any]:
    """Return the fields of a request that begins from a picture; a clear place in mask or picture is painted anew."""
    begin = {"image": start, "resize": "crop and resize", "strength": EDITED}
    if isinstance(wire, Variation):
        return {"recipe": "image_to_image", "start": {**begin, "strength": VARIED}}
    if mask is None and not clear(start, "image"):
        return {"recipe": "image_to_image", "start": begin}
    if mask is not None and not clear(mask, "mask"):
        raise BadValue("mask", "a picture without a clear place", "one whose fully transparent places are painted")
    told = {} if mask is None else {"image": mask, "channel": "alpha", "invert": True}
    return {"recipe": "inpaint", "start": {**begin, "strength": 1.0}, "mask": told}


def clear(file: bytes, field: str) -> bool:
    """Return whether a picture is transparent anywhere. Raises BadValue."""
    from easel.media.reading import open_image

    image = open_image(file, field)
    return image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255)


def joined(fields: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with a caller's own laid over them, parts within parts. Raises BadValue for pictures."""
    found = dict(fields)
    for name, value in own.items():
        there = found.get(name)
        if isinstance(value, dict) and isinstance(there, dict):
            value = cast("dict[str, Any]", {**there, **value})
        elif name in ("start", "mask"):
            raise BadValue(f"easel.{name}", "given", "used where the call brings a picture of that name")
        found[name] = value
    return found


PARAMETERS = {"batch_size": "n", "width": "size", "height": "size", "start.image": "image", "mask.image": "mask"}


def spoken(error: RequestError) -> RequestError:
    """Return an error about a request's field in this API's words."""
    if isinstance(error, BadValue):
        field = PARAMETERS.get(error.field, error.field)
        return BadValue(field, error.got, error.allowed, remedy=error.remedy)
    return error
