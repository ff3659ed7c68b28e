"""A picture drawn again from what its file says, and how far the two are apart.

Makes the request and judges what came of it; the queue draws. Knows no widgets.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from easel.core.errors import RequestError, UnknownName
from easel.core.request import Request
from easel.models.library.names import Library
from easel.ui.told import Told

if TYPE_CHECKING:
    from PIL.Image import Image

    from easel.media.compare import Difference

FROM_PICTURES = ("recipe", "start", "mask", "outpaint", "tiles")  # parts of a request that no metadata holds whole
COMPARED = ("Model", "Model hash", "Version", "Machine")  # fields of the infotext that may be why


@dataclass(frozen=True, slots=True)
class Verdict:
    """How two pictures compare. difference: None where their sizes differ. differs: what was otherwise when the file
    was made, there and here. batch: with how many the file's picture was drawn; format: of the file.
    """

    difference: Difference | None
    sizes: tuple[str, str]
    format: str
    differs: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    batch: int = 1

    @property
    def equal(self) -> bool:
        """Whether every pixel is the same."""
        return self.difference is not None and not self.difference.differing


def replay_request(told: Told, library: Library, *, start: bytes | None = None, mask: bytes | None = None) -> Request:
    """Return the request of a picture, or its clip, alone in its forwards. Raises RequestError for what is not here.

    A model that is called otherwise here is found by its hash. start, mask: files of the pictures that it began from.
    """
    if told.recalled is None:
        raise RequestError(told.problem or "this picture says nothing of its making.")
    request = told.recalled.request(start=start, mask=mask)
    name = model_here(request.model, told.recalled.facts.get("Model hash", ""), library)
    one = {} if request.motion else {"batch_size": 1}  # a frame is only drawn with its clip
    return request.model_copy(update={**one, "alone": True, "model": name})


def sendable(told: Told, file: bytes, library: Library) -> tuple[Request, str]:
    """Return a picture's settings for another tab, with the picture itself as the start where it began from one.

    And the name of its model where that is not here, which is left out then; so is what pictures of its own led, which
    no metadata keeps. Raises RequestError where nothing is told.
    """
    if told.recalled is None:
        raise RequestError(told.problem or "this picture says nothing of its making.")
    left = {*FROM_PICTURES, *(place.partition(".")[0] for place in told.recalled.needs if "." in place)}
    fields = copy.deepcopy({name: value for name, value in told.recalled.fields.items() if name not in left})
    start = told.recalled.fields.get("start")
    if "start" in told.recalled.needs:
        fields |= {"recipe": "image_to_image", "start": {**(start or {}), "image": file}}
    unknown, name = "", fields.get("model")
    if name is not None:
        try:
            fields["model"] = model_here(str(name), told.recalled.facts.get("Model hash", ""), library)
        except UnknownName:
            unknown = str(fields.pop("model"))
    return Request(**fields), unknown


def model_here(name: str, digits: str, library: Library) -> str:
    """Return what the model is called here. Raises UnknownName where neither its name nor its hash is known."""
    try:
        return library.where(name)[1]
    except UnknownName:
        other = library.by_hash(digits)
        if other is None:
            raise
        return other


def verdict(told: Told, there: bytes, here: bytes, infotext: str) -> Verdict:
    """Return how the file's picture and the one drawn anew compare. there, here: their files; infotext: of the new.

    Where the file's format loses something, the new picture goes through the same losses.
    """
    from easel.media.compare import difference
    from easel.media.reading import open_image

    one, other = open_image(there, "picture"), open_image(here, "picture")
    sizes = (f"{one.width}x{one.height}", f"{other.width}x{other.height}")
    found = difference(one, as_stored(other, told.file.format))
    return Verdict(found, sizes, told.file.format, differing(told, infotext), batch_of(told))


def as_stored(image: Image, format: str) -> Any:
    """Return a picture as a file of that format would give it back."""
    from easel.media.metadata import encode
    from easel.media.reading import open_image

    return image if format == "png" else open_image(encode(image, format=format), "picture")


def differing(told: Told, infotext: str) -> dict[str, tuple[str, str]]:
    """Return what was otherwise when the file was made, by the infotext's names; "" where it is not said."""
    from easel.prompt.infotext import read

    then = told.said.fields if told.said else {}
    now = read(infotext).fields
    return {
        name: (then.get(name, ""), now.get(name, "")) for name in COMPARED if then.get(name, "") != now.get(name, "")
    }


def batch_of(told: Told) -> int:
    """Return how many pictures were drawn together with the file's, 1 where it does not say."""
    size = told.recalled.facts.get("Batch size", "") if told.recalled else ""
    return int(size) if size.isascii() and size.isdigit() and len(size) < 9 else 1
