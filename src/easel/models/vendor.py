"""MKL's question for an Intel processor, answered with yes before torch asks it.

MKL, in torch's builds for x86, takes a path of half the speed on other makers' processors, whatever these can do. It
asks a function of its own, which another library may define first. Intel does not support that; results agree but for
rounding. Imports no torch: whoever does so earlier has settled the matter, and nothing is done.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from pathlib import Path

ANSWER = "mkl_serv_intel_cpu_true"
LIBRARY = Path(__file__).parent / "mkl" / "answer-x86_64.so"


def answer_mkl() -> bool:
    """Load the answer where it is of use and in time; return whether MKL is answered now."""
    if is_answered():
        return True
    fits = sys.platform == "linux" and platform.machine() == "x86_64" and "torch" not in sys.modules
    if not fits or not needs_answer():
        return False
    try:
        ctypes.CDLL(str(LIBRARY), mode=ctypes.RTLD_GLOBAL)
    except OSError:  # a file system that runs nothing
        return False
    return is_answered()


def is_answered() -> bool:
    """Return whether a loaded library answers MKL's question with yes."""
    try:
        return bool(getattr(ctypes.CDLL(None), ANSWER)())
    except (AttributeError, OSError, TypeError):
        return False


def needs_answer() -> bool:
    """Return whether the processor has what the fast path uses and is not Intel's own."""
    try:
        said = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return False
    words = set(said.split())
    return "GenuineIntel" not in words and {"avx2", "fma"} <= words
