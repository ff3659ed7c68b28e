"""What torch's two pickle formats share: the words for storages, where one lies, how large a pickle may be."""

from __future__ import annotations

from dataclasses import dataclass

LARGEST_PICKLE = 2**23  # bytes; a model's is some hundred thousand

STORAGES = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A storage or another entry: where its bytes begin in the file, and how many."""

    offset: int
    size: int
