"""Weights in few bits as others write them: GGUF by the gguf package, nf4 by its paper, float8 with scales by name.

Nothing here is read from Easel's tables, so that they can be held against it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from torch import Tensor

GgufTensor = tuple[np.ndarray[Any, Any], str | None]  # numbers, or codes and their kind

# Dettmers et al. 2023, arXiv:2305.14314, appendix E.
NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635),
    *(-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725),
    *(0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)


def gguf_codes(kind: str, rows: int, width: int, weight: Tensor | None = None) -> np.ndarray[Any, Any]:
    """Return rows of blocks: of `weight` or of random numbers where the package packs this kind, else random bytes."""
    chance = np.random.default_rng(0)
    numbers = chance.standard_normal((rows, width), np.float32) if weight is None else weight.float().numpy()
    try:
        return gguf.quants.quantize(numbers, gguf.GGMLQuantizationType[kind])
    except NotImplementedError:
        block, length = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
        return chance.integers(0, 256, (rows, width // block * length), np.uint8)


def write_gguf(
    file: Path, tensors: Mapping[str, GgufTensor], said: Mapping[str, Any] | None = None, architecture: str = "sd1"
) -> Path:
    """Write a GGUF file and return it."""
    writer = gguf.GGUFWriter(file, architecture)
    for name, value in (said or {}).items():
        if isinstance(value, str):
            writer.add_string(name, value)
        else:
            writer.add_array(name, value)
    for name, (numbers, kind) in tensors.items():
        raw = None if kind is None else gguf.GGMLQuantizationType[kind]
        writer.add_tensor(name, numbers, raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def nf4(name: str, weight: Tensor, block: int = 64, nested: bool = False) -> dict[str, Tensor]:
    """Return a weight in nf4 with all that bitsandbytes keeps beside it. nested: its factors packed once more."""
    table, flat = torch.tensor(NF4), weight.float().flatten()
    padded = torch.nn.functional.pad(flat, (0, -len(flat) % block)).view(-1, block)
    absmax = padded.abs().amax(1)
    codes = torch.bucketize(padded / absmax[:, None], (table[1:] + table[:-1]) / 2).flatten()
    codes = torch.nn.functional.pad(codes, (0, len(codes) % 2)).view(-1, 2)
    said: dict[str, Any] = {"quant_type": "nf4", "blocksize": block, "dtype": "float32", "shape": list(weight.shape)}
    found = {name: (codes[:, 0] << 4 | codes[:, 1]).to(torch.uint8)[: (len(flat) + 1) // 2, None]}
    if nested:
        offset = float(absmax.mean())
        groups = torch.nn.functional.pad(absmax - offset, (0, -len(absmax) % 256)).view(-1, 256)
        most = groups.abs().amax(1)
        ladder = torch.linspace(-1, 1, 256)
        steps = ((groups / most[:, None])[..., None] - ladder).abs().argmin(-1).flatten()[: len(absmax)]
        said |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": offset}
        found |= {f"{name}.nested_absmax": most, f"{name}.nested_quant_map": ladder}
        absmax = steps.to(torch.uint8)
    state = torch.tensor(list(json.dumps(said).encode()), dtype=torch.uint8)
    return found | {
        f"{name}.absmax": absmax,
        f"{name}.quant_map": table,
        f"{name}.quant_state.bitsandbytes__nf4": state,
    }


def scaled_float8(
    stem: str, weight: Tensor, *, by_row: bool = False, word: str = "scale_weight", dtype: torch.dtype | None = None
) -> dict[str, Tensor]:
    """Return a layer's weight in float8 with its scale, one for all or one a row."""
    dtype = dtype or torch.float8_e4m3fn
    most = weight.abs().flatten(1).amax(1, keepdim=True) if by_row else weight.abs().max()
    scale = (most / torch.finfo(dtype).max).float()
    axes = scale.view(-1, *(1,) * (weight.ndim - 1)) if by_row else scale
    return {f"{stem}.weight": (weight / axes).to(dtype), f"{stem}.{word}": scale}
