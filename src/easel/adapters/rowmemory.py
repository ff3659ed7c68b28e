"""What shortcuts share: modules that leave rows in memories, and modules that others stand in for, for a while.

Knows modules and rows; does not know which module is worth it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from easel.core.work import Memory


@contextmanager
def left_by(module: nn.Module, name: str, memories: Sequence[Memory | None]) -> Iterator[None]:
    """Let a module leave row i of what it returns in `memories[i]` under a name, for as long as the context lasts."""

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        found: Tensor = output[0] if isinstance(output, tuple) else output
        for row, memory in enumerate(memories):
            if memory is not None:
                memory[name] = found[row : row + 1].clone()  # a view would keep all rows alive

    handle = module.register_forward_hook(leave)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def instead(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Let `forward` compute in a module's place, its hooks as before, for as long as the context lasts."""
    before = module.__dict__.get("forward")
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
        if before is not None:
            module.forward = before


def remembered(memories: Sequence[Memory], name: str) -> Tensor:
    """Return what the rows' memories have under a name, (n, ...)."""
    return torch.cat([memory[name] for memory in memories])
