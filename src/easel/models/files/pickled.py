"""What a torch pickle (.ckpt, .pt, .bin) says it holds, read without running it.

The zip's own tables are checked first: nothing compressed, nothing overlapping; what torch wrote before 1.6 has no zip
and is read by models/files/bare.py. Then the pickle's opcodes are followed over plain values: a global is a word here,
calling one makes a note, and any that is not in the table below is refused by name. Knows no torch.
"""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from easel.core.errors import Incomplete, Mismatch, Unsafe
from easel.models.files.bare import read_bare
from easel.models.files.listing import BYTES, Listing, Stored, one_line
from easel.models.files.opcodes import ORDERED, PARAMETERS, Call, Global, OpcodeRefused, follow
from easel.models.files.storages import LARGEST_PICKLE, STORAGES, Entry

MOST_ENTRIES = 100_000
LOCAL_HEADER = 30  # bytes of a zip entry before its name
ZIPPED = b"PK\x03\x04"

REBUILDS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
PARAMETER, SET = "torch._utils._rebuild_parameter", "builtins.set"
# What training programs leave beside the weights; stands for nothing here and when the file is loaded.
INERT = (
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "_codecs.encode",
)
ALLOWED = frozenset((*REBUILDS, PARAMETER, ORDERED, PARAMETERS, SET, *INERT, *(f"torch.{name}" for name in STORAGES)))


def is_pickled(file: Path) -> bool:
    """Return whether a file is a zip or a pickle by its first bytes, whatever its ending says."""
    try:
        with file.open("rb") as opened:
            start = opened.read(9)
    except OSError as error:
        raise Incomplete(f"{file}: cannot be read ({one_line(error)}).") from None
    return start[:4] == ZIPPED or (start[:1] == b"\x80" and start[8:] != b"{")


def read_pickled(file: Path) -> Listing:
    """Return the listing of a torch pickle. Raises Unsafe naming a global, Incomplete, or Mismatch naming a tensor."""
    try:
        with file.open("rb") as opened:
            zipped = opened.read(4) == ZIPPED
            made, entries = read_zipped(opened) if zipped else read_bare(opened, ALLOWED)
        return Listing(file, {name: stored(file, name, call, entries) for name, call in tensors_in(made)})
    except OpcodeRefused as error:
        raise Unsafe(f"{file}: a pickle that asks for {error}, which can run code; nothing of it was run.") from None
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        OverflowError,
        RecursionError,
        AttributeError,
        NotImplementedError,
        struct.error,
        zipfile.BadZipFile,
        Warning,  # of a senseless escape in a name, where warnings are errors
    ) as error:
        raise Incomplete(f"{file}: truncated or damaged ({one_line(error)}); fetch it again.") from None


def is_zipped(file: Path) -> bool:
    """Return whether a pickle is one of torch's since 1.6, which can be mapped."""
    with file.open("rb") as opened:
        return opened.read(4) == ZIPPED


def read_zipped(opened: BinaryIO) -> tuple[Any, dict[str, Entry]]:
    """Return what the pickle in a zip would make, in words, and where its storages lie, by key. Raises ValueError."""
    entries = entries_of(opened)
    place = next((name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")), None)
    if place is None:
        raise ValueError("a zip without torch's data.pkl")
    if entries[place].size > LARGEST_PICKLE:
        raise ValueError(f"a pickle of {entries[place].size} bytes")
    opened.seek(entries[place].offset)
    made = follow(BytesIO(opened.read(entries[place].size)), ALLOWED)
    folder = place.removesuffix("data.pkl") + "data/"
    return made, {name.removeprefix(folder): entry for name, entry in entries.items() if name.startswith(folder)}


def entries_of(opened: BinaryIO) -> dict[str, Entry]:
    """Return a zip's entries by name. Raises ValueError where they are compressed, overlap or stand there twice."""
    with zipfile.ZipFile(opened) as archive:
        listed, end = archive.infolist(), archive.start_dir
    if len(listed) > MOST_ENTRIES:
        raise ValueError(f"a zip of {len(listed)} entries")
    found: dict[str, Entry] = {}
    free = 0
    for entry in sorted(listed, key=lambda entry: entry.header_offset):
        name = entry.filename
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 1:
            raise ValueError(f"{name!r} is compressed or encrypted, torch stores it plainly")
        if name in found:
            raise ValueError(f"{name!r} stands there twice")
        opened.seek(entry.header_offset)
        header = opened.read(LOCAL_HEADER)
        if len(header) < LOCAL_HEADER or header[:4] != ZIPPED:
            raise ValueError(f"{name!r} has no header of its own")
        name_length, extra_length = struct.unpack("<HH", header[26:30])
        if opened.read(name_length) != name.encode():
            raise ValueError(f"{name!r} has another name in its own header")
        offset = entry.header_offset + LOCAL_HEADER + name_length + extra_length
        if entry.header_offset < free or offset + entry.file_size > end:
            raise ValueError(f"{name!r} overlaps another entry")
        free = offset + entry.file_size
        found[name] = Entry(offset, entry.file_size)
    return found


def weights_in(made: Any) -> dict[str, Any]:
    """Return the weights by name: those under "state_dict", where training programs put them, else what is there.

    What stands in a dict of its own, as in textual inversions and upscalers, has that dict's name before its own.
    """
    for _ in range(3):
        if isinstance(made, dict) and isinstance(made.get("state_dict"), dict):
            made = made["state_dict"]
    found: dict[str, Any] = {}
    for name, value in made.items() if isinstance(made, dict) else ():
        inner = value if isinstance(value, dict) else {None: value}
        found |= {name if key is None else f"{name}.{key}": one for key, one in inner.items()}
    return found


def tensors_in(made: Any) -> Iterator[tuple[str, Call]]:
    """Yield the tensors of what a pickle would make, by name."""
    for name, value in weights_in(made).items():
        if isinstance(value, Call) and value.name == PARAMETER and value.arguments:
            value = value.arguments[0]
        if isinstance(value, Call) and value.name in REBUILDS:
            yield name, value


def stored(file: Path, name: str, call: Call, entries: dict[str, Entry]) -> Stored:
    """Return where a tensor lies, from the call that would rebuild it. Raises Mismatch naming it."""
    try:
        storage, start, shape, strides, *_ = call.arguments
        kind, of, key, _, count, *_ = storage.arguments
        if kind != "storage" or not isinstance(of, Global):
            raise ValueError("is kept in no storage")
        if str(key) not in entries:
            raise ValueError(f"is kept in the storage {str(key)[:20]!r}, which is not there")
        dtype, entry = STORAGES[of.name.removeprefix("torch.")], entries[str(key)]
        numbers = (start, count, *shape, *strides)
        if len(shape) != len(strides) or any(type(number) is not int or number < 0 for number in numbers):
            raise ValueError("has a shape or place that is no natural number")
        if count * BYTES[dtype] != entry.size:
            raise ValueError(f"says its storage holds {count} numbers, there are {entry.size} bytes")
        needed = math.prod(shape)
        last = start + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        if needed and (last >= count or needed > count - start):
            raise ValueError(f"is {tuple(shape)} and reaches beyond the {count} numbers of its storage")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Mismatch(f"{file}: {name!r} {one_line(error)}.") from None
    return Stored(dtype, tuple(shape), entry.offset + start * BYTES[dtype], needed * BYTES[dtype])
