"""A few numbers straight from a weights file, for questions that names and shapes leave open; no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from easel.models.listing import Stored

MOST = 2**16  # bytes; whatever is larger is not looked at
EXACT = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}


def spread(file: Path, tensor: Stored | None) -> float | None:
    """Return the standard deviation of a small tensor; None for one that is missing, large, odd or not finite."""
    if tensor is None or not 0 < tensor.size <= MOST:
        return None
    with file.open("rb") as opened:
        opened.seek(tensor.offset)
        data = opened.read(tensor.size)
    if tensor.dtype in EXACT:
        values = np.frombuffer(data, EXACT[tensor.dtype]).astype(np.float64)
    elif tensor.dtype == "BF16":
        values = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    else:
        return None
    return float(values.std()) if np.isfinite(values).all() else None
