"""What a GGUF file says it holds, read from its header and checked against the file.

Shapes are given as torch has them, which GGUF writes the other way round. Never a tensor, never torch.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from easel.core.errors import Incomplete
from easel.models.files.blocks import BLOCKS, NUMBERED
from easel.models.files.listing import BYTES, Listing, Stored, one_line
from easel.models.files.names_t5gguf import published_name

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_TENSORS, MOST_WORDS, MOST_AXES = 1_000_000, 100_000, 4
LONGEST_NAME, LONGEST_HEADER = 65_535, 2**28  # bytes
SHAPE_OF = "comfy.gguf.orig_shape."  # where the shape of a weight stands that was laid out anew to fit blocks

PLAIN: dict[int, str] = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9  # the other kinds of a value


def is_gguf(file: Path) -> bool:
    """Return whether a file is GGUF by its first bytes."""
    try:
        with file.open("rb") as opened:
            return opened.read(4) == MAGIC
    except OSError as error:
        raise Incomplete(f"{file}: cannot be read ({one_line(error)}).") from None


def read_gguf(file: Path) -> Listing:
    """Return the listing of a GGUF file; raises Incomplete unless the header tells of exactly this file.

    Every tensor lies where the alignment has it, after the one before, and within the file.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            return listing(file, Header(opened, size), size)
    except (OSError, ValueError, TypeError, KeyError, OverflowError, struct.error, MemoryError) as error:
        raise Incomplete(f"{file}: truncated or damaged ({one_line(error)}); fetch it again.") from None


class Header:
    """The header of a GGUF file, read from its beginning. Raises ValueError or struct.error beyond its bounds."""

    def __init__(self, opened: BinaryIO, size: int) -> None:
        self.opened = opened
        self.end = min(size, LONGEST_HEADER)

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        if count > self.end - self.opened.tell():
            raise ValueError(f"a header that asks for {count} bytes more than there are")
        return self.opened.read(count)

    def number(self, letter: str) -> Any:
        """Return the next number by struct's letter for it."""
        return struct.unpack("<" + letter, self.take(struct.calcsize("<" + letter)))[0]

    def text(self, longest: int = LONGEST_HEADER) -> str:
        """Return the next text."""
        length = self.number("Q")
        if length > longest:
            raise ValueError(f"a text of {length} bytes")
        return self.take(length).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        """Return the next value; of an array its values, where they are numbers, else nothing."""
        if kind in PLAIN:
            return self.number(PLAIN[kind])
        if kind == STRING:
            return self.text()
        if kind != ARRAY:
            raise ValueError(f"a value of the kind {kind}, which is not known")
        of, count = self.number("I"), self.number("Q")
        if of in PLAIN:
            letters = f"<{count}{PLAIN[of]}"
            return struct.unpack(letters, self.take(count * struct.calcsize("<" + PLAIN[of])))
        if of != STRING:
            raise ValueError(f"an array of the kind {of}, which is not known")
        for _ in range(count):
            self.take(self.number("Q"))
        return ()


def listing(file: Path, header: Header, size: int) -> Listing:
    """Return the listing. Raises ValueError, KeyError or struct.error saying what is wrong."""
    header.take(len(MAGIC))
    version, count, words = header.number("I"), header.number("Q"), header.number("Q")
    if version not in VERSIONS:
        raise ValueError(f"GGUF of version {version}, known are {VERSIONS[0]} and {VERSIONS[1]} of little endian")
    if count > MOST_TENSORS or words > MOST_WORDS:
        raise ValueError(f"a header of {count} tensors and {words} values")
    said = dict(entries(header, words, lambda: header.value(header.number("I"))))
    found = dict(entries(header, count, lambda: tensor(header)))
    aligned = said.get("general.alignment", 32)
    if type(aligned) is not int or not 0 < aligned <= 2**16 or aligned & (aligned - 1):
        raise ValueError(f"an alignment of {aligned!r} bytes")
    start = -(-header.opened.tell() // aligned) * aligned
    tensors = {name: placed(name, one, said, start) for name, one in found.items()}
    check_apart(tensors, aligned, start, size)
    if said.get("general.architecture") in ("t5", "t5encoder"):
        tensors = {published_name(name): one for name, one in tensors.items()}
    return Listing(file, tensors, {name: str(value) for name, value in said.items() if not isinstance(value, tuple)})


def entries(header: Header, count: int, read: Callable[[], Any]) -> list[tuple[str, Any]]:
    """Return named entries. Raises ValueError for a name that stands there twice, and names the entry in others."""
    found: dict[str, Any] = {}
    for _ in range(count):
        name = header.text(LONGEST_NAME)
        if name in found:
            raise ValueError(f"{name[:80]!r} stands there twice")
        try:
            found[name] = read()
        except (ValueError, struct.error) as error:
            raise ValueError(f"{name[:80]!r}: {error}") from None
    return list(found.items())


def tensor(header: Header) -> Stored:
    """Return a tensor as the header has it, its place counted from where tensors begin."""
    axes = header.number("I")
    if axes > MOST_AXES:
        raise ValueError(f"a tensor of {axes} axes")
    shape = tuple(header.number("Q") for _ in range(axes))[::-1]
    kind, offset = header.number("I"), header.number("Q")
    if kind not in NUMBERED:
        raise ValueError(f"its number format {kind} is not known; known are {', '.join(NUMBERED.values())}")
    numbers, (block, length) = math.prod(shape), BLOCKS.get(NUMBERED[kind]) or (1, BYTES[NUMBERED[kind]])
    if (shape[-1] if shape else 1) % block:
        raise ValueError(f"is {shape}, {NUMBERED[kind]} keeps {block} numbers in a block")
    return Stored(NUMBERED[kind], shape, offset, numbers // block * length)


def placed(name: str, found: Stored, said: dict[str, Any], start: int) -> Stored:
    """Return a tensor with its place in the file and its own shape. Raises ValueError naming it."""
    shape = said.get(SHAPE_OF + name, found.shape)
    if math.prod(shape) != math.prod(found.shape):
        raise ValueError(f"{name!r} is {found.shape} and said to be {shape}")
    return Stored(found.dtype, tuple(shape), start + found.offset, found.size)


def check_apart(tensors: dict[str, Stored], aligned: int, start: int, size: int) -> None:
    """Raise ValueError for a tensor that overlaps another, leaves a gap, or lies outside the file."""
    free = start
    for name, one in sorted(tensors.items(), key=lambda named: (named[1].offset, named[1].size)):
        if one.offset != free:
            raise ValueError(f"{name!r} {'overlaps another tensor' if one.offset < free else 'leaves a gap'}")
        if one.offset + one.size > size:
            raise ValueError(f"{name!r} ends at byte {one.offset + one.size}, the file at {size}")
        free = -(-(one.offset + one.size) // aligned) * aligned
