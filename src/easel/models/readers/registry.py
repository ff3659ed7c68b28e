"""The registry of preprocessors that read weights, and the one way to every preprocessor, with weights or without.

A reader is `(image, readers, *, options) -> image`: RGB in, RGB of the same size out, its networks asked of `readers`.
Size, mode and checks are settled here. Listing imports neither torch nor onnxruntime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageChops

from easel.core.errors import UnknownName, Unsupported
from easel.core.registry import Entry, Registry, folded
from easel.media.hints import at_resolution, checked_options, preprocessors
from easel.media.hints import hint_of as drawn_by_arithmetic
from easel.media.hints.registry import Limits, with_alpha
from easel.media.reading import flat
from easel.models.readers.absent import ABSENT
from easel.models.readers.files import Readers
from easel.models.readers.needs import Need

if TYPE_CHECKING:
    from easel.models.accelerate import Machine
    from easel.models.library.names import Library

Reader = Callable[..., Image.Image]

LISTING = "`easel control list`"
learned: Registry[Reader] = Registry("preprocessor", listing=LISTING)


def reader(
    name: str,
    *aliases: str,
    label: str,
    control: str,
    needs: tuple[Need, ...],
    limits: Mapping[str, Limits] | None = None,
) -> Callable[[Reader], Reader]:
    """Register a preprocessor that reads the files it needs; all else is as for one by arithmetic."""
    return learned.register(
        name, aliases=aliases, label=label, control=control, limits=dict(limits or {}), reads_alpha=False, needs=needs
    )


def all_preprocessors() -> list[Entry[Any]]:
    """Return every preprocessor: those by arithmetic, then those that read weights.

    Facts: label, control (the kind of control model, in A1111's words), limits of its options, reads_alpha, and needs,
    the files that it reads.
    """
    return [*preprocessors, *learned]


def preprocessor_named(name: str) -> Entry[Any]:
    """Return a preprocessor by its name or A1111's. Raises UnknownName; Unsupported for A1111's that Easel lacks."""
    for registry in (preprocessors, learned):
        if name in registry:
            return registry[name]
    if reason := ABSENT.get(folded(name)):
        raise Unsupported(f"preprocessor {name!r} {reason}.")
    raise UnknownName("preprocessor", name, tuple(entry.name for entry in all_preprocessors()), listing=LISTING)


def hint_of(
    image: Image.Image,
    name: str,
    *,
    resolution: int | None = None,
    options: Mapping[str, Any] | None = None,
    library: Library | None = None,
    machine: Machine | None = None,
    mask: Image.Image | None = None,
    readers: Readers | None = None,
) -> Image.Image:
    """Return the hint that the preprocessor of this name or alias draws from a picture of any mode of 8 bits.

    resolution: pixels of the hint's shorter side, to which the picture is brought first; None leaves its size.
    library: where files are looked for; machine: where networks run, None for the processor. readers: who keeps
    networks between calls, and then both are theirs. mask: of any size, white where an inpainting preprocessor is to
    see a hole; the others look at all of the picture.
    Returns RGB, or RGBA from a preprocessor that reads alpha. Raises UnknownName, BadValue for an option or a
    resolution that cannot be, Unsupported where a file or package is not there, ModelError where one is broken.
    """
    entry = preprocessor_named(name)
    if not entry.facts["needs"]:
        seen = without(image, mask) if mask is not None and entry.facts["reads_alpha"] else image
        return drawn_by_arithmetic(seen, entry.name, resolution=resolution, options=options)
    given = checked_options(entry, options or {})
    ready = at_resolution(flat(with_alpha(image)), resolution)
    return entry.make(ready, readers or Readers(library, machine), **given)


def without(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Return a picture, RGBA, that is transparent where a mask is white, and where it was before."""
    clear = image.convert("RGBA")
    kept = ImageChops.invert(mask.convert("L").resize(clear.size, Image.Resampling.BILINEAR))
    clear.putalpha(ImageChops.multiply(clear.getchannel("A"), kept))
    return clear
