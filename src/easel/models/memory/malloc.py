"""The C library's memory: kept between forwards on a processor, given back when there is nothing to do.

glibc maps every large block anew and gives it back when it is freed, so that each forward has its activations zeroed
by the kernel page by page; wide forwards lose more by it than they gain by being wide. Without glibc nothing happens.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT = 2**31 - 1  # bytes; the most that mallopt takes
OWN_WORDS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Ask glibc to keep freed blocks for the next forward; return whether it does.

    Whoever set the allocator's variables has decided otherwise, and another allocator has no need.
    """
    library = glibc()
    if library is None or any(name in os.environ for name in OWN_WORDS):
        return False
    return bool(library.mallopt(M_MMAP_THRESHOLD, KEPT) and library.mallopt(M_TRIM_THRESHOLD, KEPT))


def give_back_memory() -> None:
    """Give freed memory back to the system."""
    library = glibc()
    if library is not None:
        library.malloc_trim(0)


def glibc() -> Any:
    """Return the C library of this process where it is glibc, None elsewhere."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt") else None
