"""Loading large libraries without Python looking for garbage among what they make; knows none of them."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Generator[None]:
    """Have no cyclic garbage looked for in here, and later none among what there is at the end.

    A library makes hundreds of thousands of objects that stay, and Python goes through them again and again: a third of
    the time that loading takes, and a pause of a tenth of a second now and then afterwards. In every thread, so it is
    for a second or two when a program starts.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()
