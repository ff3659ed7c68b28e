"""A device with memory of its own for tests: copies on the processor, counted for as long as anybody keeps them.

Nothing has to tell it what was let go: it asks torch which storages still live. `Watch` makes sure that forwards read
no weight that is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from easel.models.memory.devices import Copies
from easel.models.memory.moving import tensors_of


class CountingDevice:
    """Holds `capacity` bytes and raises torch's OutOfMemoryError beyond them. peak: the most that it held."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.peak = 0
        self.moved = 0
        self._kept: dict[int, tuple[StorageWeakRef, int]] = {}

    @property
    def used(self) -> int:
        """The bytes of copies that live."""
        self._kept = {key: one for key, one in self._kept.items() if not one[0].expired()}
        return sum(size for _, size in self._kept.values())

    def free(self) -> int:
        """Return what is left."""
        return self.capacity - self.used

    def has(self, tensor: Tensor) -> bool:
        """Return whether a tensor is one of the copies."""
        found = self._kept.get(tensor.untyped_storage()._cdata)
        return found is not None and not found[0].expired()

    def put(self, tensors: Sequence[Tensor]) -> Copies:
        """Return copies, counted."""
        copies: list[Tensor] = []
        there = self.used  # whatever is let go while copies are made counts as there
        for tensor in tensors:
            if there + tensor.nbytes > self.capacity:
                raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {tensor.nbytes} bytes.")
            copy = tensor.clone()
            storage = copy.untyped_storage()
            self._kept[storage._cdata] = (StorageWeakRef(storage), copy.nbytes)
            self.moved += copy.nbytes
            there += copy.nbytes
            self.peak = max(self.peak, there)
            copies.append(copy)
        return Copies(copies, lambda: None)

    def near(self, tensor: Tensor) -> Tensor:
        """Return the tensor: all memory is as near."""
        return tensor


class Watch(TorchDispatchMode):
    """Refuses to let any operation read the machine's own copy of a weight. homes: as `homes_of` returns them."""

    def __init__(self, homes: set[int]) -> None:
        super().__init__()
        self._homes = homes

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        moving = func._overloadpacket in (torch.ops.aten.clone, torch.ops.aten.detach, torch.ops.aten._to_copy)
        for one in () if moving else tree_leaves((args, kwargs)):
            if isinstance(one, Tensor) and one.untyped_storage()._cdata in self._homes:
                raise AssertionError(f"{func} read a weight that is not on the device")
        return func(*args, **(kwargs or {}))


def homes_of(*parts: nn.Module) -> set[int]:
    """Return where the weights of parts are now, before any of them has moved."""
    return {tensor.untyped_storage()._cdata for part in parts for tensor in tensors_of(part)}


class Alive(TorchDispatchMode):
    """Counts what operations make and somebody keeps, beside weights. peak: the most bytes at once.

    Attention is taken to need its result alone, as the kernels of graphics cards do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._kept: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._overloadpacket is torch.ops.aten.scaled_dot_product_attention:
            made = torch.empty_like(args[0])
        else:
            made = func(*args, **(kwargs or {}))
        given = {one.untyped_storage()._cdata for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
        for one in tree_leaves(made):
            if isinstance(one, Tensor) and one.untyped_storage()._cdata not in given:
                storage = one.untyped_storage()
                self._kept[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self._kept = {key: one for key, one in self._kept.items() if not one[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self._kept.values()))
        return made
