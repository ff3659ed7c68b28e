"""Work that passes beside other work of a card: decodes beside steps, and results on their way to the machine's memory.

A lane is a second queue of the card. What is begun in it is not waited for; its landing says when it is done. Knows
streams and tensors; does not know what passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor


class Landing(Protocol):
    """The end of what was begun in a lane. seconds: what it took the card, once it is done."""

    @property
    def done(self) -> bool: ...
    @property
    def seconds(self) -> float: ...
    def wait(self) -> None:
        """Return when it is done."""
        ...


class Lane(Protocol):
    """A second queue of a device. Of the engine's thread."""

    def aside(self) -> Any:
        """Return a context in which work goes by this queue and `fetched` does not wait; it gives a call for the end.

        That call, after the context, returns the Landing.
        """
        ...

    def fetched(self, tensor: Tensor) -> Tensor:
        """Return numbers of the device as float32 in the machine's memory; within `aside` they are there at the end."""
        ...


class CudaLanding:
    """Two moments of a stream."""

    def __init__(self, began: torch.cuda.Event, ended: torch.cuda.Event) -> None:
        self._began, self._ended = began, ended

    @property
    def done(self) -> bool:
        """Whether the card has done it."""
        return self._ended.query()

    @property
    def seconds(self) -> float:
        """What it took, beside whatever else the card did."""
        return self._began.elapsed_time(self._ended) / 1000

    def wait(self) -> None:
        """Wait for the card."""
        self._ended.synchronize()


class CudaLane:
    """A second stream of a card."""

    def __init__(self, device: str = "cuda") -> None:
        self._device = torch.device(device)
        self._stream = torch.cuda.Stream(self._device)
        self._passing = False

    @contextmanager
    def aside(self) -> Iterator[Callable[[], CudaLanding]]:
        """Let work pass beside the other stream's, after what that was given before."""
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self._passing = True
        try:
            with torch.cuda.stream(self._stream):
                began.record(self._stream)
                yield lambda: CudaLanding(began, ended)
                ended.record(self._stream)
        finally:
            self._passing = False

    def fetched(self, tensor: Tensor) -> Tensor:
        """Return numbers of the card through memory that the system never moves."""
        there = torch.empty(tensor.shape, dtype=torch.float32, pin_memory=True)
        there.copy_(tensor.float(), non_blocking=True)
        if not self._passing:
            torch.cuda.current_stream(self._device).synchronize()
        return there
