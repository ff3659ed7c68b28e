"""A recorder on the processor: it replays the very operations, over the very memory, as a card's graph does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from easel.models.gpu.graphs import Recorded
from easel.models.gpu.inputs import Inputs


class Noting(TorchDispatchMode):
    """Notes every operation with the memory that it reads and writes; who points elsewhere later is not followed."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        alias = lambda one: one.detach() if isinstance(one, Tensor) else one  # noqa: E731
        outputs = [one.detach() for one in tree_leaves(made) if isinstance(one, Tensor)]
        self.done.append((func, tree_map(alias, args), tree_map(alias, kwargs or {}), outputs))
        return made

    def again(self) -> None:
        """Do it all again, each result into the memory of the first."""
        for func, args, kwargs, outputs in self.done:
            made = [one for one in tree_leaves(func(*args, **kwargs)) if isinstance(one, Tensor)]
            for new, old in zip(made, outputs, strict=True):
                if new.data_ptr() != old.data_ptr():
                    old.copy_(new)


class PlainBuffers:
    """Inputs in memory of their own."""

    def __init__(self, inputs: Inputs) -> None:
        self.there = inputs.each(torch.clone)
        self.bytes = sum(value.nbytes for value in self.there.tensors)

    def fill(self, inputs: Inputs) -> None:
        for there, value in zip(self.there.tensors, inputs.tensors, strict=True):
            there.copy_(value)


class ProcessorRecorder:
    """made: the buffers of each recording, in order. fails: raised in place of a recording."""

    def __init__(self, bytes: int = 1000) -> None:
        self.bytes = bytes
        self.made: list[PlainBuffers] = []
        self.fails: Exception | None = None

    def buffers(self, inputs: Inputs) -> PlainBuffers:
        self.made.append(PlainBuffers(inputs))
        return self.made[-1]

    def record(self, forward: Callable[[], Tensor]) -> Recorded:
        if self.fails is not None:
            raise self.fails
        with Noting() as noting:
            output = forward()
        return Recorded(output, noting.again, self.bytes)


def fetched(tensor: Tensor) -> Tensor:
    """Copy a result, as a card's is copied to the machine's memory."""
    return tensor.to(torch.float32, copy=True)
