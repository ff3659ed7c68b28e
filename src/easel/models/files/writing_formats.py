"""Number formats that people ask for, and turning tensors into them without making an infinity of a large number."""

from __future__ import annotations

import torch
from torch import Tensor

from easel.core.errors import UnknownName
from easel.models.files.writing import FORMATS

ASKED = {
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
}
FLOATS = frozenset(("F64", *ASKED.values()))
SMALL = frozenset(("F8_E4M3", "F8_E5M2"))


def word_for(name: str) -> str:
    """Return safetensors' word for a number format as people write it. Raises UnknownName."""
    if name not in ASKED:
        raise UnknownName("number format", name, ASKED)
    return ASKED[name]


def format_for(stored: str, shape: tuple[int, ...], wanted: str | None) -> str:
    """Return the format in which a tensor is kept, in safetensors' words; `wanted`: None for what it has.

    Whole numbers stay as they are. Where 8 bits are wanted, norms and biases, which are small and matter, take 16.
    """
    if wanted is None or stored not in FLOATS:
        return stored
    return "F16" if wanted in SMALL and len(shape) < 2 else wanted


def in_format(tensor: Tensor, word: str) -> Tensor:
    """Return a tensor in a number format; what is too large for it becomes the largest number that it has."""
    dtype = FORMATS[word]
    if tensor.dtype == dtype:
        return tensor
    if not dtype.is_floating_point or not tensor.is_floating_point():
        return tensor.to(dtype)
    most = torch.finfo(dtype).max
    if most < torch.finfo(tensor.dtype).max:
        tensor = tensor.float() if tensor.dtype != torch.float64 else tensor
        tensor = tensor.clamp(-most, most)
    return tensor.to(dtype)
