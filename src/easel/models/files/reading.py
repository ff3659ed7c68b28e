"""Weights files to tensors: mapped, not copied; packed weights as they are.

The listing says where everything lies and was checked against the file. Pickles are read by torch alone; see
models/files/weights.py.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Iterable
from pathlib import Path

import torch
from torch import Tensor

from easel.core.errors import Incomplete
from easel.models.files.blocks import BLOCKS
from easel.models.files.listing import Listing, Stored, one_line
from easel.models.files.packed import Packed
from easel.models.files.unpacking import numbers

FORMATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
FORMATS |= {"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}
FORMATS |= {"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8}
FORMATS |= {"U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "U8": torch.uint8}
FORMATS |= {"BOOL": torch.bool, "C64": torch.complex64}


def read_mapped(listing: Listing, wanted: Collection[str] | None) -> dict[str, Tensor | Packed]:
    """Return the tensors of a listed file, all or those wanted. Raises Incomplete where it cannot be mapped."""
    names = [name for name in listing.tensors if wanted is None or name in wanted]
    if not names:
        return {}
    try:
        read_ahead(listing.path, [listing.tensors[name] for name in names])
        size = listing.path.stat().st_size
        data = torch.from_file(str(listing.path), shared=False, size=size, dtype=torch.uint8)
    except (OSError, RuntimeError) as error:
        raise Incomplete(f"{listing.path}: cannot be read ({one_line(error)}).") from None
    return {name: weight(data, listing.tensors[name]) for name in names}


def read_ahead(file: Path, tensors: Iterable[Stored]) -> None:
    """Ask the system to fetch the stretch of a file that these tensors take; it does so while the first are used."""
    if not hasattr(os, "posix_fadvise"):
        return
    places = [(one.offset, one.offset + one.size) for one in tensors]
    first, last = min(place[0] for place in places), max(place[1] for place in places)
    with file.open("rb") as opened:
        os.posix_fadvise(opened.fileno(), first, last - first, os.POSIX_FADV_WILLNEED)


def weight(data: Tensor, stored: Stored) -> Tensor | Packed:
    """Return a tensor of a file, packed where it is. data: the file's bytes."""
    if stored.dtype in BLOCKS:
        return gguf_weight(data, stored)
    if stored.dtype in ("NF4", "FP4"):
        return four_bits(data, stored)
    if stored.dtype == "fp8 scaled":
        return scaled(data, stored)
    return plain(data, stored)


def plain(data: Tensor, stored: Stored) -> Tensor:
    """Return a tensor in its own numbers; a copy only where it does not begin at a multiple of its numbers' size."""
    dtype = FORMATS[stored.dtype]
    found = data[stored.offset : stored.offset + stored.size]
    if stored.offset % dtype.itemsize:
        found = found.clone()
    return found.view(dtype).view(stored.shape)


def gguf_weight(data: Tensor, stored: Stored) -> Packed:
    """Return a weight in GGUF's blocks, a line for each row where rows are whole blocks, else for each block."""
    block, length = BLOCKS[stored.dtype]
    codes = data[stored.offset : stored.offset + stored.size]
    rows = stored.shape[0] if math.prod(stored.shape[1:]) % block == 0 else stored.size // length
    return Packed(stored.dtype, stored.shape, {"codes": codes.view(rows, stored.size // max(rows, 1))})


def four_bits(data: Tensor, stored: Stored) -> Tensor | Packed:
    """Return a weight that bitsandbytes packed; in float32 where its last block is not full.

    Factors that were packed a second time are unpacked: an eighth of the weight's bytes for the work of every forward.
    """
    parts = {role: plain(data, one) for role, one in stored.beside.items()}
    said = json.loads(bytes(parts["state"].tolist()))
    absmax, block = parts["absmax"], said["blocksize"]
    if "nested" in parts:
        groups = parts["nested"].repeat_interleave(said["nested_blocksize"])[: absmax.numel()]
        absmax = parts["nested map"][absmax.flatten().int()] * groups + said["nested_offset"]
    count, width = math.prod(stored.shape), math.prod(stored.shape[1:])
    codes, tables = parts["codes"].flatten(), {"map": parts["map"].flatten()}
    absmax = absmax.view(-1, 1)
    if count % block or block % 2:
        codes = torch.nn.functional.pad(codes, (0, absmax.numel() * block // 2 - codes.numel()))
        tables |= {"codes": codes.view(absmax.numel(), -1), "absmax": absmax}
        return numbers(stored.dtype, tables).flatten()[:count].view(stored.shape)
    lines = stored.shape[0] if width % block == 0 else absmax.numel()
    tables |= {"codes": codes.view(lines, -1), "absmax": absmax.view(lines, -1)}
    return Packed(stored.dtype, stored.shape, tables)


def scaled(data: Tensor, stored: Stored) -> Tensor | Packed:
    """Return a float8 weight with its scale, one number for each row; in float32 where it is a number alone."""
    codes, scale = plain(data, stored.beside["codes"]), plain(data, stored.beside["scale"]).to(torch.float32)
    if not stored.shape or not codes.numel():
        return codes.to(torch.float32) * scale.view(())
    rows = stored.shape[0]
    scales = scale.view(-1, 1).expand(rows, 1).contiguous()
    return Packed(stored.dtype, stored.shape, {"codes": codes.view(rows, -1), "scale": scales})
