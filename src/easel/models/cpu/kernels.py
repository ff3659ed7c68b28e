"""What we compute on processors with AVX-512 BF16 ourselves, where torch's own is slower: see native/.

scripts/build-kernels makes the library of its sources. A row's answer depends neither on threads nor on the rows beside
it. Knows tensors; knows no layers.
"""

from __future__ import annotations

import ctypes
import math
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

LIBRARY = Path(__file__).parent / "native" / "kernels-x86_64.so"
WIDTHS = frozenset((40, 64, 80, 128))  # channels of a head: those of Stable Diffusion, XL and Flux
STEP, CHUNK = 8, 128  # of native/: keys, and places of a picture, are counted up to a multiple of these
LANES, MOST_CHANNELS = 16, 4096
HALF = torch.bfloat16

Count, Number, Real, Pointer = ctypes.c_longlong, ctypes.c_int, ctypes.c_float, ctypes.c_void_p
Strides = Count * 3


@dataclass(frozen=True, slots=True)
class Kernels:
    """The functions of a loaded library, each for tensors that it `takes`."""

    library: Any

    def takes_attention(self, *parts: Tensor) -> bool:
        """Return whether attend is for these: bfloat16, heads of one of WIDTHS, no gradients."""
        whole = all(part.dtype == HALF and part.device.type == "cpu" and part.stride(-1) == 1 for part in parts)
        return whole and parts[0].shape[-1] in WIDTHS and not torch.is_grad_enabled()

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return softmax(q k' / sqrt(width)) v, (batch, heads, tokens, width) bfloat16, of tensors shaped likewise."""
        batch, heads, tokens, width = query.shape
        keys = key.shape[2]
        out = query.new_empty(batch, tokens, heads, width)
        room = query.new_empty(2 * batch * heads * up_to(keys, STEP) * width)
        given = [part for one in (query, key, value) for part in (one.data_ptr(), Strides(*one.stride()[:3]))]
        counts = (batch, heads, tokens, keys, width)
        scale, threads = 1 / math.sqrt(width), torch.get_num_threads()
        self.library.easel_attention(*given, out.data_ptr(), room.data_ptr(), *counts, scale, threads)
        return out.transpose(1, 2)

    def takes_norm(self, x: Tensor) -> bool:
        """Return whether norm is for a picture like `x`: channels together in memory, no gradients."""
        together = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last) and x.device.type == "cpu"
        return together and x.dtype in (HALF, torch.float32) and not torch.is_grad_enabled()

    def takes_channels(self, channels: int, groups: int) -> bool:
        """Return whether norm is for so many channels in so many groups."""
        return channels % LANES == 0 and channels % groups == 0 and channels <= MOST_CHANNELS

    def norm(
        self,
        x: Tensor,
        groups: int,
        weight: Tensor,
        bias: Tensor,
        epsilon: float,
        *,
        dtype: torch.dtype,
        added: Tensor | None = None,
        swish: bool = True,
    ) -> Tensor:
        """Return the group norm of x (n, channels, height, width), its SiLU where `swish`, in a format of its own.

        added: (n, channels), what x is to have more before all else.
        """
        images, channels, height, width = x.shape
        learned = in_floats(x, added, weight, bias)
        places, chunks = height * width, up_to(height * width, CHUNK) // CHUNK
        out = torch.empty_like(x, dtype=dtype, memory_format=torch.channels_last)
        room = torch.empty(images * (chunks * groups + 2 * channels), dtype=torch.float64)
        self.library.easel_group_norm(
            x.data_ptr(),
            x.dtype == HALF,
            *(part.data_ptr() for part in learned),
            out.data_ptr(),
            dtype == HALF,
            room.data_ptr(),
            *(images, places, channels, groups, epsilon, swish, torch.get_num_threads()),
        )
        return out

    def norm_back(
        self, given: Tensor, x: Tensor, groups: int, weight: Tensor, bias: Tensor, epsilon: float, *,
        added: Tensor | None = None, swish: bool = True,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
        """Return the gradients of x, added, weight and bias for `given`, those of `norm`'s result.

        x and given: (n, channels, height, width) bfloat16, channels together in memory.
        """
        images, channels, height, width = x.shape
        learned = in_floats(x, added, weight, bias)
        out, by = torch.empty_like(x), torch.empty(3, images, channels)
        self.library.easel_group_norm_back(
            *(part.data_ptr() for part in (x, given, *learned, out, *by)),
            *(images, height * width, channels, groups, epsilon, swish, torch.get_num_threads()),
        )
        return out, by[0], by[1].sum(0), by[2].sum(0)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """Add bfloat16 numbers to float32 ones that lie alike in memory, in their place, and return them."""
        self.library.easel_add(x.data_ptr(), y.data_ptr(), x.numel(), torch.get_num_threads())
        return x


def in_floats(x: Tensor, added: Tensor | None, *learned: Tensor) -> list[Tensor]:
    """Return what a norm adds to x (n, channels, height, width), zeros for None, and what it has learned."""
    added = x.new_zeros(x.shape[:2], dtype=torch.float32) if added is None else added
    return [part.float().contiguous() for part in (added, *learned)]


def up_to(count: int, multiple: int) -> int:
    """Return the next multiple that is not less."""
    return (count + multiple - 1) // multiple * multiple


def missing() -> str:
    """Return what this machine lacks for the kernels, in a few words; "" where they run.

    Where the processor multiplies tiles (AMX), torch's own attention uses them and is not held against ours.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "they are built for Linux on x86-64"
    if not torch.cpu._is_avx512_bf16_supported():
        return "the processor has no AVX-512 BF16"
    return "the processor has AMX, which torch's use" if torch.cpu._is_amx_tile_supported() else ""


def kernels(file: Path = LIBRARY) -> Kernels | None:
    """Return the kernels of a library, None where this machine is `missing` something."""
    if missing():
        return None
    try:
        library = ctypes.CDLL(str(file))
    except OSError:  # a file system that runs nothing, or a torch that brings another OpenMP
        return None
    tensors = [Pointer, Strides] * 3 + [Pointer] * 2
    library.easel_attention.argtypes = [*tensors, *[Count] * 4, Number, Real, Number]
    parts = [Pointer, Number, *[Pointer] * 4, Number, Pointer]
    library.easel_group_norm.argtypes = [*parts, Count, Count, Number, Number, Real, Number, Number]
    library.easel_group_norm_back.argtypes = [*[Pointer] * 9, Count, Count, Number, Number, Real, Number, Number]
    library.easel_add.argtypes = [Pointer, Pointer, Count, Number]
    norms = (library.easel_group_norm, library.easel_group_norm_back)
    for function in (library.easel_attention, *norms, library.easel_add):
        function.restype = None
    return Kernels(library)
