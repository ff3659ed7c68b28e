"""What a device gets of all this by the settings. The one file here that reads them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._triton import has_triton

from easel.core.settings import Compile
from easel.models.gpu.attention import attending, capability, head_sizes, order_for
from easel.models.gpu.compiled import ASIDE, AT_ONCE, REGIONS, WHOLE, Compiled, keep_artefacts
from easel.models.gpu.forwards import Forwards, as_is
from easel.models.gpu.graphs import Graphs
from easel.models.gpu.lanes import CudaLane, Lane
from easel.models.gpu.recording import CudaRecorder

GRAPHS = 8  # recordings may take this part of what Easel may of a card
WAYS = {"whole": (WHOLE, REGIONS), "regions": (REGIONS,), "auto": (WHOLE, REGIONS)}


def forwards_on(device: str, compile: Compile, memory: int) -> Forwards | None:
    """Return who runs the forwards of a device; None where they run as they are.

    memory: bytes that Easel may take of it, for recordings among all else; 0 for none of those.
    """
    compiled = compiled_on(device, compile)
    if device != "cuda":
        return None if compiled is None else Forwards(device, fetched, compiled=compiled)
    recordings = Graphs(CudaRecorder(), memory // GRAPHS) if memory else None
    return Forwards(device, fetched, recordings, compiled, around_on_card)


def compiled_on(device: str, compile: Compile) -> Compiled | None:
    """Return who compiles for a device; None for nobody. On a card without Triton "auto" is nobody."""
    auto = compile == "auto"
    if compile == "off" or (auto and not (device == "cuda" and has_triton())):
        return None
    keep_artefacts()
    if not auto:
        return Compiled(WAYS[compile], AT_ONCE)
    return Compiled(WAYS[compile], ASIDE, around=partial(torch.cuda.stream, torch.cuda.Stream()))


def lane_on(device: str, *, overlap: bool) -> Lane | None:
    """Return the second queue of a device; None where it has none, or is not to use it."""
    return CudaLane() if device == "cuda" and overlap else None


def around_on_card(part: nn.Module) -> Callable[[], AbstractContextManager[Any]]:
    """Return the context in which a part computes on a card: attention by the kernel that fits its heads."""
    order = order_for(head_sizes(part), capability())
    return partial(attending, order) if head_sizes(part) else as_is(part)


def fetched(tensor: Tensor) -> Tensor:
    """Return numbers of a device as float32 in the machine's memory."""
    return tensor.to("cpu", torch.float32)
