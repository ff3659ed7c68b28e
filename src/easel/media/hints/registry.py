"""The registry of preprocessors, and the one way in which each is called.

A preprocessor is `(image, *, options) -> image`: RGB in, RGB of the same size out; one that `reads_alpha` gets RGBA and
gives RGBA. It is a function of its arguments alone: the same picture and options give the same bytes. Size, mode and
checks are settled here, so that a preprocessor is its formula and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image

from easel.core.errors import BadValue
from easel.core.registry import Entry, Registry
from easel.media.hints.sizes import at_resolution
from easel.media.reading import flat

Preprocessor = Callable[..., Image.Image]
Limits = tuple[float, float]

preprocessors: Registry[Preprocessor] = Registry("preprocessor", listing="`easel control list`")


def preprocessor(
    name: str,
    *aliases: str,
    label: str,
    control: str,
    limits: Mapping[str, Limits] | None = None,
    reads_alpha: bool = False,
) -> Callable[[Preprocessor], Preprocessor]:
    """Register a preprocessor under a name of one word; aliases are the names that A1111's ControlNet has for it.

    label: what people read. control: the kind of control model that is led by it, in A1111's words.
    limits: least and greatest of each of its options, all of which are numbers.
    reads_alpha: takes and gives transparency; the others get the picture on white. What it needs of files is none,
    as its entry's facts say.
    """
    return preprocessors.register(
        name,
        aliases=aliases,
        label=label,
        control=control,
        limits=dict(limits or {}),
        reads_alpha=reads_alpha,
        needs=(),
    )


def checked_options(entry: Entry[Preprocessor], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options` when the preprocessor has them all and their values can be; else UnknownName or BadValue."""
    given = entry.checked(options)
    for name, value in given.items():
        least, greatest = entry.facts["limits"][name]
        if not least <= value <= greatest:
            raise BadValue(f"option {name} of {entry.name}", value, f"{least:g} to {greatest:g}")
    return given


def hint_of(
    image: Image.Image,
    name: str,
    *,
    resolution: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Image.Image:
    """Return the hint that the preprocessor of this name or alias draws from a picture of any mode of 8 bits.

    resolution: pixels of the hint's shorter side, to which the picture is brought first; None leaves its size.
    Returns RGB, or RGBA from a preprocessor that reads alpha. Raises UnknownName, and BadValue for an option or a
    resolution that cannot be.
    """
    entry = preprocessors[name]
    given = checked_options(entry, options or {})
    ready = image.convert("RGBA") if entry.facts["reads_alpha"] else flat(with_alpha(image))
    return entry.make(at_resolution(ready, resolution), **given)


def with_alpha(image: Image.Image) -> Image.Image:
    """Return a picture as RGBA where any of it may be transparent, in whatever way its mode says so."""
    return image.convert("RGBA") if image.has_transparency_data else image
