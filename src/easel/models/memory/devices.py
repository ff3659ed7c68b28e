"""Memory that forwards read and that is not the machine's own: what residency needs of it.

A device is where copies are put and asked how much it holds. What frees a copy is that nobody keeps it. Knows tensors;
knows no parts, budgets or blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Copies:
    """Copies on their way. ready: called before they are read; from then on, forwards may."""

    tensors: list[Tensor]
    ready: Callable[[], None]


class Device(Protocol):
    """A device with memory of its own.

    capacity: its bytes in all.
    """

    @property
    def capacity(self) -> int: ...

    def free(self) -> int:
        """Return how many bytes nobody has taken."""
        ...

    def has(self, tensor: Tensor) -> bool:
        """Return whether a tensor lies there."""
        ...

    def put(self, tensors: Sequence[Tensor]) -> Copies:
        """Return copies there, in the same order and layout. Raises torch's OutOfMemoryError and keeps none."""
        ...

    def near(self, tensor: Tensor) -> Tensor:
        """Return the same numbers in the machine's memory, where the device fetches them fastest."""
        ...


class CudaDevice:
    """An NVIDIA or AMD card. Nothing here was measured on one.

    Copies go by a stream of their own, so that they pass while the card computes. That stream waits for the work
    given before it; so a copy may take the memory of one that was let go while the card may still be reading that.
    """

    def __init__(self, name: str = "cuda") -> None:
        self._device = torch.device(name)
        self._stream = torch.cuda.Stream(self._device)

    @property
    def capacity(self) -> int:
        """The card's memory in bytes."""
        return int(torch.cuda.get_device_properties(self._device).total_memory)

    def free(self) -> int:
        """Return what the card has left, and what torch holds without using it."""
        unused = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return int(torch.cuda.mem_get_info(self._device)[0]) + unused

    def has(self, tensor: Tensor) -> bool:
        """Return whether a tensor lies on a card."""
        return tensor.device.type == self._device.type

    def put(self, tensors: Sequence[Tensor]) -> Copies:
        """Return copies of tensors on the card."""
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            copies = [tensor.to(self._device, non_blocking=True) for tensor in tensors]
            done: Any = self._stream.record_event()
        return Copies(copies, partial(torch.cuda.current_stream(self._device).wait_event, done))

    def near(self, tensor: Tensor) -> Tensor:
        """Return a tensor in memory that the system never moves, or as it is where it gives no more of that."""
        if tensor.is_pinned() or not tensor.numel():
            return tensor
        try:
            return tensor.pin_memory()
        except RuntimeError:
            return tensor


def device_memory() -> dict[str, float]:
    """Return the bytes of a graphics card in all, not taken, and taken by torch; empty where none is in use."""
    if not (torch.cuda.is_available() and torch.cuda.is_initialized()):
        return {}
    free, total = torch.cuda.mem_get_info()
    return {"device_total": total, "device_free": free, "device_torch": torch.cuda.memory_allocated()}
