"""Which weights of a module stay in few bits and which become full numbers, and both put into their places.

Knows modules and packed weights; knows no files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from easel.models.files.packed import Packed
from easel.models.files.packed_layers import keep as keep_packed
from easel.models.files.packed_layers import keeps

# packed: what the file has in blocks or with scales stays so, all else becomes full numbers; stored: float8 and halves
# of another format stay too, mapped on a processor, which loads at once and casts at each forward; cast: full numbers
# all; float8_*: the full weights of layers are rounded to float8.
Keep = Literal["packed", "stored", "cast", "float8_e4m3", "float8_e5m2"]
KEEPS: tuple[str, ...] = get_args(Keep)
FLOAT8 = {torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2"}
SHORT = {**FLOAT8, torch.float16: "F16", torch.bfloat16: "BF16"}
ROUNDED = {"float8_e4m3": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2}


def placed(
    module: nn.Module,
    given: Mapping[str, Tensor | Packed],
    *,
    dtype: torch.dtype,
    device: str,
    keep: Keep,
    layout: torch.memory_format,
) -> None:
    """Give a module without memory its tensors, which have its names and shapes.

    Biases, norms and layers other than torch's own Linear, Conv2d and Embedding become full numbers in any case.
    """
    full: dict[str, Tensor | Packed] = {}
    for key, tensor in given.items():
        owner, _, kind = key.rpartition(".")
        layer = module.get_submodule(owner)
        if kind == "weight" and keeps(layer) and (packed := low_bits(tensor, keep, dtype)) is not None:
            keep_packed(layer, packed.to(device), dtype)
        else:
            full[key] = tensor
    once = {id(tensor): tensor for tensor in full.values()}  # a tensor that stands at two places stays one
    found = side_by_side(lambda tensor: in_full(tensor, dtype, device, layout), list(once.values()), device)
    made = dict(zip(once, found, strict=True))
    module.load_state_dict({key: made[id(tensor)] for key, tensor in full.items()}, strict=False, assign=True)


def side_by_side(
    cast: Callable[[Tensor | Packed], Tensor], tensors: list[Tensor | Packed], device: str
) -> list[Tensor]:
    """Return all tensors cast, on a processor one tensor a thread.

    torch would share out each tensor and let the threads wait for each other, of which each fetches other pages from
    the system. Its own number of threads is one for these threads alone, and for new ones what it was before.
    """
    threads = torch.get_num_threads()
    if device != "cpu" or threads == 1:
        return [cast(tensor) for tensor in tensors]
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(cast, tensors))
    finally:
        torch.set_num_threads(threads)


def low_bits(tensor: Tensor | Packed, keep: Keep, dtype: torch.dtype) -> Packed | None:
    """Return a layer's weight as it is kept in few bits; None where it becomes full numbers of `dtype`."""
    if keep == "cast":
        return None
    if isinstance(tensor, Packed):
        return tensor
    if keep in ROUNDED and tensor.dtype not in FLOAT8:
        most = torch.finfo(ROUNDED[keep]).max
        tensor = tensor.clamp(-most, most).to(ROUNDED[keep])
    kept = FLOAT8 if keep in ROUNDED else SHORT if keep == "stored" else {}
    return as_packed(tensor) if tensor.dtype in kept and tensor.dtype != dtype else None


def as_packed(tensor: Tensor) -> Packed:
    """Return a weight in a short format as a packed one."""
    return Packed(SHORT[tensor.dtype], tuple(tensor.shape), {"codes": tensor.reshape(len(tensor), -1)})


def in_full(tensor: Tensor | Packed, dtype: torch.dtype, device: str, layout: torch.memory_format) -> Tensor:
    """Return a weight in full numbers on the device; the very same tensor where nothing has to change."""
    if isinstance(tensor, Tensor) and tensor.dtype in FLOAT8 and tensor.ndim and tensor.numel():
        tensor = as_packed(tensor)
    if isinstance(tensor, Packed):
        tensor = tensor.to(device).unpacked(dtype)
    return tensor.to(device, dtype, memory_format=layout if tensor.ndim == 4 else torch.preserve_format)
