"""Tensors of a part that stay on the device for a while, and go back to the machine's memory without a copy.

Weights do not change; so the machine keeps its own numbers, a parameter points to the device's copy for as long as it
stays, and to leave is to point back. Knows tensors; knows no modules, no budgets and no order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from easel.models.memory.devices import Copies, Device

NONE = Copies([], lambda: None)


def tensors_of(part: nn.Module) -> Iterator[Tensor]:
    """Yield every parameter and buffer of a part, each once."""
    seen: set[int] = set()
    for module in part.modules():
        for tensor in chain(module._parameters.values(), module._buffers.values()):
            if tensor is not None and id(tensor) not in seen:
                seen.add(id(tensor))
                yield tensor


def size_of(tensors: Iterable[Tensor]) -> int:
    """Return the bytes that tensors take."""
    return sum(tensor.nbytes for tensor in tensors)


def weights_of(parts: Iterable[nn.Module]) -> int:
    """Return the bytes that parts take together; what several of them share counts once."""
    return size_of({id(tensor): tensor for part in parts for tensor in tensors_of(part)}.values())


class Stay:
    """What is on the device now, each tensor with the numbers that it goes back to. bytes: what it takes there."""

    def __init__(self, device: Device) -> None:
        self.bytes = 0
        self._device = device
        self._homes: dict[int, tuple[Tensor, Tensor | None]] = {}

    def holds(self, tensor: Tensor) -> bool:
        """Return whether a tensor stays on the device."""
        return id(tensor) in self._homes

    def bring(self, tensors: Iterable[Tensor]) -> Callable[[], None]:
        """Let tensors point to copies on the device; what is returned is called before the copies are read.

        One that was made there stays as it is. Raises what the device raises, and then has brought none.
        """
        wanted = [tensor for tensor in tensors if not self.holds(tensor)]
        there = [tensor for tensor in wanted if self._device.has(tensor)]
        away = [tensor for tensor in wanted if not self._device.has(tensor)]
        with torch.inference_mode(False):
            copies = self._device.put([tensor.data for tensor in away]) if away else NONE
        for tensor in there:
            self._homes[id(tensor)] = (tensor, None)
        for tensor, copy in zip(away, copies.tensors, strict=True):
            self._homes[id(tensor)] = (tensor, tensor.data)
            point(tensor, copy)
        self.bytes += size_of(wanted)
        return copies.ready

    def leave(self, tensors: Iterable[Tensor]) -> None:
        """Let tensors point to the machine's memory again, as far as they stay here."""
        for tensor in list(tensors):
            if self.holds(tensor):
                _, home = self._homes.pop(id(tensor))
                self.bytes -= tensor.nbytes
                point(tensor, tensor.data.to("cpu", copy=True) if home is None else home)

    def keep_only(self, tensors: Iterable[Tensor]) -> None:
        """Let everything leave but these."""
        kept = {id(tensor) for tensor in tensors}
        self.leave([tensor for tensor, _ in self._homes.values() if id(tensor) not in kept])


def point(tensor: Tensor, data: Tensor) -> None:
    """Let a tensor have other numbers' memory. What was made in inference mode can be changed only there."""
    with torch.inference_mode(tensor.is_inference()):
        tensor.data = data
