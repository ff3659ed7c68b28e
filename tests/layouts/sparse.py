"""Files of full size that hold a header and nothing but holes, so that they take no room."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

SIZES = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1}


def write_sparse(
    file: Path, shapes: Mapping[str, tuple[int, ...]], dtype: str = "F16", metadata: dict[str, str] | None = None
) -> Path:
    """Write a safetensors file whose tensors are holes and return it."""
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + math.prod(shape) * SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    written = json.dumps(header).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as opened:
        opened.write(len(written).to_bytes(8, "little") + written)
        opened.truncate(8 + len(written) + end)
    return file
