"""The arithmetic of low-bit kinds: codes and what belongs to them, to float32.

GGUF's kinds are unpacked by diffusers, which agrees bit for bit with the gguf package; nf4 is a table and a factor a
block (Dettmers et al. 2023, arXiv:2305.14314); a scaled float8 is a number and a factor. Knows no shapes of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from easel.core.errors import Unrecognised
from easel.models.files.blocks import BLOCKS

Parts = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Ways:
    """How a kind is unpacked: its tensors with a part for each line, and lines of codes to lines of numbers."""

    lined: tuple[str, ...]
    numbers: Callable[[str, Parts], Tensor]


def gguf_numbers(kind: str, parts: Parts) -> Tensor:
    """Return GGUF's blocks as numbers. codes: (lines, bytes of whole blocks) uint8."""
    from diffusers.quantizers.gguf.utils import dequantize_functions
    from gguf import GGMLQuantizationType

    size, length = BLOCKS[kind]
    codes = parts["codes"]
    blocks = codes.reshape(-1, length)
    made: Tensor = dequantize_functions[GGMLQuantizationType[kind]](blocks, size, length, torch.float32)
    return made.view(len(codes), -1)


def table_numbers(kind: str, parts: Parts) -> Tensor:
    """Return nf4 or fp4 as numbers.

    codes: (lines, bytes) uint8, two numbers a byte, the upper half first; absmax: (lines, blocks); map: (16,).
    """
    codes, absmax = parts["codes"], parts["absmax"]
    byte = torch.arange(256, device=codes.device)
    pairs = torch.stack([parts["map"][byte >> 4], parts["map"][byte & 15]], dim=-1)
    found = pairs[codes.flatten().int()].view(absmax.numel(), -1) * absmax.reshape(-1, 1)
    return found.view(len(codes), -1)


def scaled_numbers(kind: str, parts: Parts) -> Tensor:
    """Return scaled float8 as numbers. codes: (lines, width) float8; scale: (lines, 1) float32."""
    return exact_half(parts["codes"]) * parts["scale"]


def plain_numbers(kind: str, parts: Parts) -> Tensor:
    """Return float8 as float16, which holds every one of them; halves as they are. codes: (lines, width)."""
    codes = parts["codes"]
    return exact_half(codes) if codes.dtype.itemsize == 1 else codes


def exact_half(codes: Tensor) -> Tensor:
    """Return float8 in float16.

    On a processor torch takes e4m3 apart one by one. Here its bits are laid where float16 has them, whose exponent
    counts from 8 lower; it has one pattern that is no number, where float16 would go on.
    """
    if codes.dtype != torch.float8_e4m3fn or codes.device.type != "cpu":
        return codes.to(torch.float16)
    bits = codes.view(torch.int8).to(torch.int16)
    rest = bits & 0x7F
    found = ((bits & -0x8000) | (rest << 7)).view(torch.float16) * 256
    return found.masked_fill_(rest == 0x7F, torch.nan)


GGUF = Ways(("codes",), gguf_numbers)
FOUR_BITS = Ways(("codes", "absmax"), table_numbers)
PLAIN = Ways(("codes",), plain_numbers)
WAYS: Mapping[str, Ways] = {
    **dict.fromkeys(BLOCKS, GGUF),
    "NF4": FOUR_BITS,
    "FP4": FOUR_BITS,
    "fp8 scaled": Ways(("codes", "scale"), scaled_numbers),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F16", "BF16"), PLAIN),
}


def ways(kind: str) -> Ways:
    """Return how a kind is unpacked. Raises Unrecognised for one that is not known."""
    if kind not in WAYS:
        raise Unrecognised(f"the packing {kind!r} is not known; known are {', '.join(WAYS)}.")
    return WAYS[kind]


def numbers(kind: str, parts: Parts) -> Tensor:
    """Return lines of a weight in full numbers, (lines, numbers of a line)."""
    return ways(kind).numbers(kind, parts)
