"""A few numbers straight from a weights file, for questions that names and shapes leave open; no torch."""

from __future__ import annotations

import math
import struct
from pathlib import Path

from easel.models.files.listing import BYTES, Stored

MOST = 2**16  # bytes; whatever is larger is not looked at
LETTERS = {"F16": "e", "F32": "f", "F64": "d"}  # struct's


def spread(file: Path, tensor: Stored | None) -> float | None:
    """Return the standard deviation of a small tensor; None for one that is missing, large, odd or not finite."""
    if tensor is None or tensor.dtype not in (*LETTERS, "BF16") or not 0 < tensor.size <= MOST:
        return None
    with file.open("rb") as opened:
        opened.seek(tensor.offset)
        data = opened.read(tensor.size)
    if tensor.dtype == "BF16":  # the upper half of a float32
        data = b"".join(b"\0\0" + data[place : place + 2] for place in range(0, len(data), 2))
    letter = LETTERS.get(tensor.dtype, "f")
    values = struct.unpack(f"<{tensor.size // BYTES[tensor.dtype]}{letter}", data)
    if not all(map(math.isfinite, values)):
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
