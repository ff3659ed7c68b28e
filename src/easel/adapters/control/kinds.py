"""For what a union of control models takes a hint: their numbers for it, by the words of A1111's ControlNet and ours.

A table. Knows no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from easel.core.errors import BadValue, UnknownName

# The words for each number, in small letters and without spaces and signs; the first is told.
SDXL: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        0: ("openpose", "pose", "openposexl"),
        1: ("depth",),
        2: ("softedge", "hed", "scribble", "pidi"),
        3: ("hardedge", "canny", "lineart", "mlsd"),
        4: ("normalmap", "normal"),
        5: ("segmentation", "segment", "seg"),
        6: ("tile", "blur"),
        7: ("inpaint", "repaint", "outpaint"),
    }
)
FLUX: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        0: ("canny", "hardedge", "lineart", "mlsd"),
        1: ("tile",),
        2: ("depth",),
        3: ("blur",),
        4: ("pose", "openpose"),
        5: ("gray", "grey", "recolor", "recolour"),
        6: ("lowquality", "lq"),
    }
)


def plain(kind: str) -> str:
    """Return a kind's word as words are compared."""
    return "".join(letter for letter in kind.casefold() if letter.isalnum())


def check_kind(kind: str, field: str) -> None:
    """Raise UnknownName for a kind that no union has."""
    known = [word for table in (SDXL, FLUX) for words in table.values() for word in words]
    if kind and plain(kind) not in known:
        raise UnknownName(f"{field}.kind", kind, tuple(dict.fromkeys(known)))


def number_of(kind: str, table: Mapping[int, tuple[str, ...]], count: int, place: int) -> int:
    """Return a union's number for a kind. count: how many it has. Raises BadValue for one that it has not."""
    found = next((number for number, words in table.items() if plain(kind) in words), count)
    if found >= count:
        allowed = ", ".join(words[0] for number, words in table.items() if number < count)
        raise BadValue(f"controls[{place}].kind", kind, f"one that this union of control models has: {allowed}")
    return found
