"""Compiled forwards: torch.compile of a part whole, else of its repeated blocks, else none, and never a failed picture.

What is compiled is a twin: the same layers over the same weights, but objects of its own, so that whatever hangs on a
part's layers later never meets compiled code. It is made at once, or aside in a thread while forwards go on as they
are. Each shape and width is compiled for itself. Knows modules; knows no device.
"""

from __future__ import annotations

import copy
import logging
import os
import queue
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from easel.models.gpu.graphs import Forward
from easel.models.gpu.inputs import Inputs

log = logging.getLogger("easel.models")

WHOLE, REGIONS = "whole", "regions"
# Blocks that a denoiser repeats. diffusers names those of attention alone; more than half of a U-Net is convolution.
BLOCKS = frozenset({"BasicTransformerBlock", "ResnetBlock2D", "JointTransformerBlock"})
BLOCKS |= {"FluxTransformerBlock", "FluxSingleTransformerBlock"}
# Calls of a shape before it is compiled aside: that of one or two pictures, so that who wants no more never waits.
WORTH: Mapping[str, int] = MappingProxyType({"forward": 40, "decode": 4})
SHAPES = 256  # compiled of one layer's class at most; torch gives up after 8 where it is not told otherwise
AT_ONCE = "at once"
ASIDE = "aside"

Backend = str | Callable[..., Any]
Job = tuple["Twin", Hashable, str, Inputs]


@dataclass(slots=True, eq=False)
class Twin:
    """What of one part is compiled.

    ways: those that have not failed for it, the best first. modules: the twin of each way. made: what is ready, None
    where nothing could be made. calls: how often each shape was asked for. waiting: those that are being made.
    """

    name: str
    ways: list[str]
    modules: dict[str, nn.Module]
    made: dict[Hashable, Forward | None] = field(default_factory=dict[Hashable, "Forward | None"])
    calls: Counter[Hashable] = field(default_factory=Counter[Hashable])
    waiting: set[Hashable] = field(default_factory=set[Hashable])


class Compiled:
    """The compiled forwards of all parts. Of the engine's thread, beside the one that it compiles in.

    when: AT_ONCE compiles at the first call of a shape, ASIDE in a thread after WORTH of them. around: a context in
    which that thread works, such as a stream of its own. backend: torch.compile's.
    """

    def __init__(
        self,
        ways: Sequence[str],
        when: str = AT_ONCE,
        *,
        worth: Mapping[str, int] = WORTH,
        around: Callable[[], AbstractContextManager[Any]] = nullcontext,
        backend: Backend = "inductor",
    ) -> None:
        self._ways = tuple(ways)
        self._when = when
        self._worth = worth
        self._around = around
        self._backend = backend
        self._twins: WeakKeyDictionary[nn.Module, Twin] = WeakKeyDictionary()
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def forward(self, part: nn.Module, verb: str, shape: Hashable, example: Callable[[], Inputs]) -> Forward | None:
        """Return what computes a bare part's method for inputs of a shape and width; None while nothing does.

        example: makes such inputs, on the part's device.
        """
        twin = self._twins.get(part)
        if twin is None:
            twin = self._twins[part] = Twin(type(part).__name__, list(self._ways), {})
        key = (verb, shape)
        if key not in twin.made and key not in twin.waiting:
            twin.calls[key] += 1
            if self._when == AT_ONCE or twin.calls[key] >= self._worth[verb]:
                self._prepare(twin, part)
                self._start(twin, key, verb, example())
        return twin.made.get(key)

    def _prepare(self, twin: Twin, part: nn.Module) -> None:
        """Give a twin a module for each way, made while the part is bare."""
        for way in twin.ways:
            if way not in twin.modules:
                twin.modules[way] = twin_of(part)

    def _start(self, twin: Twin, key: Hashable, verb: str, inputs: Inputs) -> None:
        if self._when == AT_ONCE:
            compile_for(twin, key, verb, inputs, self._backend)
            return
        twin.waiting.add(key)
        self._jobs.put((twin, key, verb, inputs))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="easel-compiler", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            twin, key, verb, inputs = self._jobs.get()
            with torch.inference_mode(), self._around():
                compile_for(twin, key, verb, inputs, self._backend)
            twin.waiting.discard(key)
            del twin, inputs


def compile_for(twin: Twin, key: Hashable, verb: str, inputs: Inputs, backend: Backend) -> None:
    """Make a twin's forward for inputs of a shape by the first way that does not fail; say in one line which did."""
    failed: list[str] = []
    made: Forward | None = None
    for way in tuple(twin.ways):
        try:
            made = MAKE[way](twin.modules[way], verb, backend)
            with torch._dynamo.config.patch(recompile_limit=SHAPES, accumulated_recompile_limit=16 * SHAPES):
                made(inputs)
            break
        except Exception as error:  # whatever a compiler raises, pictures are made without it
            made = None
            failed.append(f"{way}: {first_line(error)}")
            if not isinstance(error, torch.OutOfMemoryError):
                twin.ways.remove(way)
                twin.modules.pop(way)
    if failed:
        instead = "its blocks are compiled" if made else "it runs as it is"
        log.warning("torch.compile failed for %s (%s); %s.", twin.name, "; ".join(failed), instead)
    twin.made[key] = made


def compiled_whole(module: nn.Module, verb: str, backend: Backend) -> Forward:
    """Return a module's method, compiled as one."""

    def call(**inputs: Any) -> Tensor:
        return getattr(module, verb)(**inputs, return_dict=False)[0]

    compiled = torch.compile(call, dynamic=False, backend=backend)
    return lambda inputs: compiled(**inputs.named)


def compiled_blocks(module: nn.Module, verb: str, backend: Backend) -> Forward:
    """Return a module's method, its repeated blocks compiled each. Raises ValueError where it has none."""
    blocks: list[Any] = [one for one in module.modules() if type(one).__name__ in BLOCKS]
    if not blocks:
        raise ValueError("it has no repeated blocks")
    for block in blocks:
        if block._compiled_call_impl is None:
            block.compile(dynamic=False, backend=backend)
    return lambda inputs: inputs.given_to(module, verb)


MAKE: Mapping[str, Callable[[nn.Module, str, Backend], Forward]] = MappingProxyType(
    {WHOLE: compiled_whole, REGIONS: compiled_blocks}
)


def twin_of(part: nn.Module) -> nn.Module:
    """Return a part's layers again, with the very same weights."""
    tensors = [
        tensor
        for module in part.modules()
        for tensor in (*module._parameters.values(), *module._buffers.values())
        if tensor is not None
    ]
    return copy.deepcopy(part, {id(tensor): tensor for tensor in tensors})


def first_line(error: Exception) -> str:
    """Return what an error says first, or what it is; with the next line where the first only announces it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[: 2 if lines[0].endswith(":") else 1])


def artefacts_folder() -> Path:
    """Return where compiled code is kept between starts. Raises RuntimeError without a home."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "easel" / "compiled"


def keep_artefacts() -> None:
    """Let torch keep what it compiles between starts, unless the environment says where; torch checks what it finds."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(artefacts_folder()))
