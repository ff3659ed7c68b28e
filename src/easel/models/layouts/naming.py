"""Tables of names: what a file calls a tensor, and where the module has it.

A table's left side is how names in the file begin, its right side what stands there in the module. What is kept in
another form is a Place. Knows names only; pieces.py moves the numbers, the tables stand in names_*.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

How = Literal["whole", "rows", "shared", "swapped", "turned", "flat"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one tensor of a file stands in the module.

    names: the module's; several where the file keeps them as rows of one tensor ("rows", `heights` rows each, equally
    many where there are none), or where the module has one tensor twice ("shared").
    how: "swapped": the halves of the rows change places; "turned": the other way round; "flat": a convolution of 1x1
    in the file, a matrix in the module.
    """

    names: tuple[str, ...]
    how: How = "whole"
    heights: tuple[int, ...] = ()

    def within(self, before: str, after: str = "") -> Place:
        """Return the same place in a larger module, for one name that goes on."""
        return replace(self, names=tuple(before + name + after for name in self.names))


Names = dict[str, Place]


def table(rows: Mapping[str, str | Place]) -> Names:
    """Return a table whose right sides may be mere names."""
    return {old: Place((new,)) if isinstance(new, str) else new for old, new in rows.items()}


def rows(*names: str, heights: tuple[int, ...] = ()) -> Place:
    """Return the place of tensors that the file keeps below each other."""
    return Place(names, "rows", heights)


def inside(old: str, new: str, names: Mapping[str, Place]) -> Names:
    """Return the names of one part of a network, both sides with where it stands."""
    return {old + left: right.within(new) for left, right in names.items()}


def placed(key: str, names: Mapping[str, Place]) -> Place | None:
    """Return where a name of the file stands, by the longest beginning that the table holds, else None."""
    for end in range(len(key), -1, -1):
        if (place := names.get(key[:end])) is not None:
            return place.within("", key[end:])
    return None


def published(names: Mapping[str, Place], modules: Iterable[str]) -> dict[str, Place]:
    """Return what a file calls the tensors of a module, by the file's names; a name with no place is left out.

    names: the layout's table. Where a table knows two names of one tensor, the first is taken.
    """
    beginnings: dict[str, list[str]] = {}
    for old, place in names.items():
        beginnings.setdefault(place.names[0], []).append(old)
    found: dict[str, Place] = {}
    for key in modules:
        for end in range(len(key), -1, -1):
            fitting = (old + key[end:] for old in beginnings.get(key[:end], ()))
            told = next((old for old in fitting if (there := placed(old, names)) and there.names[0] == key), None)
            if told is not None:
                found[told] = placed(told, names) or Place((key,))
                break
    return found
