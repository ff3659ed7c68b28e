"""torch's pickle format before 1.6, read without running it: five pickles in a row, then the numbers.

A mark, a version, the machine, the object, the keys of its storages; then for each key how many numbers it holds, and
these. Knows no torch.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from io import BytesIO
from typing import Any, BinaryIO

from easel.models.files.listing import BYTES
from easel.models.files.opcodes import Global, follow
from easel.models.files.storages import LARGEST_PICKLE, STORAGES, Entry

MARK, VERSION = 0x1950A86A20F9469CFC6C, 1001
COUNT = 8  # bytes before the numbers of a storage


def read_bare(opened: BinaryIO, allowed: Collection[str]) -> tuple[Any, dict[str, Entry]]:
    """Return what the pickle would make, in words, and where its storages lie, by key.

    Raises OpcodeRefused for what is not allowed; ValueError and the like where the file makes no sense.
    """
    opened.seek(0)
    stream = BytesIO(opened.read(LARGEST_PICKLE))
    asked: list[tuple[Any, ...]] = []
    mark, version, machine, made, keys = (follow(stream, allowed, asked) for _ in range(5))
    if (mark, version) != (MARK, VERSION):
        raise ValueError("a pickle that torch did not write")
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise ValueError("written on a machine of another byte order")
    opened.seek(stream.tell())
    return made, entries_of(opened, keys, formats_of(asked))


def formats_of(asked: list[tuple[Any, ...]]) -> dict[str, tuple[str, int]]:
    """Return the number format of each storage and how many numbers are said of it. Raises ValueError."""
    found: dict[str, tuple[str, int]] = {}
    for kind, of, key, _, count, view in asked:
        name = of.name.removeprefix("torch.") if isinstance(of, Global) else ""
        if kind != "storage" or name not in STORAGES or view is not None or type(count) is not int or count < 0:
            raise ValueError(f"the storage {str(key)[:20]!r} is none that weights have")
        if found.setdefault(key, (STORAGES[name], count)) != (STORAGES[name], count):
            raise ValueError(f"the storage {str(key)[:20]!r} is spoken of in two ways")
    return found


def entries_of(opened: BinaryIO, keys: Any, formats: dict[str, tuple[str, int]]) -> dict[str, Entry]:
    """Return where storages lie, which follow each other to the end of the file. Raises ValueError."""
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(formats):
        raise ValueError("other storages than the pickle asks for")
    place, end = opened.tell(), opened.seek(0, os.SEEK_END)
    found: dict[str, Entry] = {}
    for key in keys:
        dtype, count = formats[key]
        opened.seek(place)
        if int.from_bytes(opened.read(COUNT), "little") != count:
            raise ValueError(f"the storage {key!r} does not hold the {count} numbers that are said of it")
        found[key] = Entry(place + COUNT, count * BYTES[dtype])
        place += COUNT + found[key].size
    if place != end:
        raise ValueError(f"{end} bytes, its storages end at {place}")
    return found
