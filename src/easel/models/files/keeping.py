"""Which weights of a module stay in few bits and which become full numbers, and both put into their places.

Knows modules and packed weights; knows no files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import torch
from torch import Tensor, nn

from easel.core.settings import Weights
from easel.models.files.packed import Packed
from easel.models.files.packed_layers import keep as keep_packed
from easel.models.files.packed_layers import keeps

Keep = Weights  # of one part
KEEPS: tuple[str, ...] = get_args(Keep)
FLOAT8 = {torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2"}
HALVES = {torch.float16, torch.bfloat16}
PIECE = 2**18  # numbers cast at a time by way of float32, which stay in a processor's cache
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
    made = dict(zip(once, in_full(list(once.values()), dtype, device, layout), strict=True))
    module.load_state_dict({key: made[id(tensor)] for key, tensor in full.items()}, strict=False, assign=True)


def in_full(
    tensors: Sequence[Tensor | Packed], dtype: torch.dtype, device: str, layout: torch.memory_format
) -> list[Tensor]:
    """Return weights in full numbers on the device; the very same tensor where nothing has to change."""
    if device != "cpu" or torch.get_num_threads() == 1:
        return [full_numbers(tensor, dtype, device, layout) for tensor in tensors]
    return side_by_side(lambda tensor: full_numbers(tensor, dtype, device, layout), tensors)


def side_by_side(cast: Callable[[Tensor | Packed], Tensor], tensors: Sequence[Tensor | Packed]) -> list[Tensor]:
    """Return all tensors cast, one tensor a thread.

    torch would share out each tensor and let the threads wait for each other, of which each fetches other pages from
    the system. Its own number of threads is one for these threads alone, and for new ones what it was before.
    """
    threads = torch.get_num_threads()
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
    kept = SHORT if keep == "stored" else FLOAT8
    return as_packed(tensor) if tensor.dtype in kept and tensor.dtype != dtype else None


def as_packed(tensor: Tensor) -> Packed:
    """Return a weight in a short format as a packed one."""
    return Packed(SHORT[tensor.dtype], tuple(tensor.shape), {"codes": tensor.reshape(len(tensor), -1)})


def full_numbers(tensor: Tensor | Packed, dtype: torch.dtype, device: str, layout: torch.memory_format) -> Tensor:
    """Return a weight in full numbers on the device; the very same tensor where nothing has to change."""
    if isinstance(tensor, Tensor) and tensor.dtype in FLOAT8 and tensor.ndim and tensor.numel():
        tensor = as_packed(tensor)
    if isinstance(tensor, Packed):
        tensor = tensor.to(device).unpacked(dtype)
    layout = layout if tensor.ndim == 4 else torch.preserve_format
    if device == "cpu" and tensor.ndim and {tensor.dtype, dtype} == HALVES:
        return half_to_half(tensor, torch.empty_like(tensor, dtype=dtype, memory_format=layout))
    return tensor.to(device, dtype, memory_format=layout)


def half_to_half(source: Tensor, target: Tensor) -> Tensor:
    """Write numbers of one half format into the other and return the target.

    torch goes from one to the other number by number; by way of float32, which holds both, it takes many at once and
    rounds the same.
    """
    step = max(PIECE * len(source) // max(source.numel(), 1), 1)
    for first in range(0, len(source), step):
        target[first : first + step].copy_(source[first : first + step].to(torch.float32))
    return target
