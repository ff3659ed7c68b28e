"""The one way to a mask: white where a picture shows something, black where its background is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageFilter

from easel.core.errors import BadValue
from easel.core.registry import folded
from easel.media.hints.registry import with_alpha
from easel.media.reading import flat
from easel.models.cutout.flat import flat_mask
from easel.models.cutout.learned import KIND, learned_mask

if TYPE_CHECKING:
    from easel.models.accelerate import Machine
    from easel.models.library.names import Library
    from easel.models.readers.files import Readers

FLAT = "flat"
TOLERANCE = 12.0  # of CIE LAB
TOLERANCES, FEATHERS = (0, 100), (0, 64)


def all_backgrounds(library: Library | None) -> list[str]:
    """Return the names of all ways to cut out: FLAT, then the files of the library."""
    return [FLAT, *(library.places(KIND) if library is not None else ())]


def mask_of(
    image: Image.Image,
    name: str = FLAT,
    *,
    library: Library | None = None,
    machine: Machine | None = None,
    readers: Readers | None = None,
    tolerance: float = TOLERANCE,
    feather: float = 0.0,
    holes: bool = False,
) -> Image.Image:
    """Return how much of each pixel is no background, mode L, of the picture's size.

    name: "flat", or a file of the kind "background" in the library. readers: who keeps networks between calls; then
    library and machine are theirs. tolerance, holes: for "flat", as flat_mask() reads them. feather: pixels of soft
    edge more. What is transparent is background. Raises UnknownName, BadValue, Unsupported or ModelError.
    """
    from easel.models.readers.files import Readers

    for what, value, (least, greatest) in (("tolerance", tolerance, TOLERANCES), ("feather", feather, FEATHERS)):
        if not least <= value <= greatest:
            raise BadValue(f"background.{what}", value, f"{least} to {greatest}")
    whole = with_alpha(image)
    shown = flat(whole)
    if folded(name) == FLAT:
        mask = flat_mask(shown, tolerance, holes=holes)
    else:
        mask = learned_mask(shown, name, readers or Readers(library, machine))
    if whole.mode == "RGBA":
        mask = ImageChops.multiply(mask, whole.getchannel("A"))
    return mask.filter(ImageFilter.GaussianBlur(feather / 2)) if feather else mask
