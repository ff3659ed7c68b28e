"""What a weights file says it holds: names, number formats, shapes and places of its tensors.

Reads the header of a safetensors file and checks it against the file; never a tensor, never torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from easel.core.errors import Incomplete

LONGEST_HEADER = 100_000_000  # bytes, the format's own limit
BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2, "I8": 1}
BYTES |= {"U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1, "C64": 8}  # bytes of a number by safetensors' words


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor in a file: its number format in safetensors' words, its shape, where its bytes begin, how many.

    A packed weight has the kind of its packing for a format ("Q4_K", "NF4", "fp8 scaled"), the shape of the weight that
    it stands for, and beside its codes other tensors that belong to them, by what they are there for.
    """

    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int
    beside: Mapping[str, Stored] = field(default_factory=dict[str, "Stored"])


@dataclass(frozen=True, slots=True)
class Listing:
    """A file's tensors by name, and what its maker wrote beside them."""

    path: Path
    tensors: Mapping[str, Stored]
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


def read_listing(file: Path) -> Listing:
    """Return the listing of a safetensors file; raises Incomplete unless the header tells of exactly this file.

    Every tensor has as many bytes as its shape and format need, and the tensors lie end to end to the last byte.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if length > min(LONGEST_HEADER, size - 8):
                raise ValueError(f"a header of {length} bytes in a file of {size}")
            header = json.loads(opened.read(length), object_pairs_hook=once)
        metadata = header.pop("__metadata__", {})
        tensors = {name: stored(name, entry, 8 + length) for name, entry in header.items()}
        end = check_end_to_end(tensors.items(), 8 + length)
        if end != size:
            raise ValueError(f"{size} bytes, its header speaks of {end}")
        return Listing(file, tensors, {str(key): str(value) for key, value in metadata.items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Incomplete(f"{file}: truncated or damaged ({one_line(error)}); fetch it again.") from None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; raises ValueError when it names something twice, which two readers read in two ways."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return found


def stored(name: str, entry: Mapping[str, Any], base: int) -> Stored:
    """Return a tensor of a header, its place counted from `base`. Raises ValueError naming it, TypeError, KeyError."""
    dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if dtype not in BYTES:
        raise ValueError(f"{name!r} has the number format {str(dtype)[:20]!r}, which is not known")
    if any(type(number) is not int or number < 0 for number in (*shape, begin, end)):
        raise ValueError(f"{name!r} has a shape or place that is no natural number")
    if (needed := math.prod(shape) * BYTES[dtype]) != end - begin:
        raise ValueError(f"{name!r} needs {needed} bytes and has {end - begin}")
    return Stored(dtype, tuple(shape), base + begin, needed)


def check_end_to_end(tensors: Iterable[tuple[str, Stored]], base: int) -> int:
    """Return where the last tensor ends; raises ValueError for one that overlaps another or leaves a gap."""
    end = base
    for name, tensor in sorted(tensors, key=lambda named: (named[1].offset, named[1].size)):
        if tensor.offset != end:
            raise ValueError(f"{name!r} {'overlaps another tensor' if tensor.offset < end else 'leaves a gap'}")
        end += tensor.size
    return end


def one_line(error: BaseException) -> str:
    """Return what an error says, on one line and not for pages."""
    return " ".join(str(error).split())[:200]
