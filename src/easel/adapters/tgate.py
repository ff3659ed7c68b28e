"""T-GATE: what a U-Net reads from the words changes little once the picture's plan stands, so it is read no more.

Zhang et al. 2024, arXiv:2404.02747. Each cross-attention's output is taken from the row's memory. Knows U-Nets; does
not know when the gate closes, nor that the negative is left out from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from easel.adapters.rowmemory import instead, left_by, remembered
from easel.core.work import Memory


@dataclass(frozen=True, slots=True)
class Gate:
    """The cross-attentions of a U-Net, each left in a row's memory under its name as (1, places, channels)."""

    @contextmanager
    def keeping(self, model: Any, memories: Sequence[Memory | None]) -> Iterator[None]:
        """Let forwards leave what every cross-attention returns."""
        with ExitStack() as stack:
            for name, attention in crosses(model.parts["unet"]):
                stack.enter_context(left_by(attention, name, memories))
            yield

    @contextmanager
    def taking(self, model: Any, memories: Sequence[Memory]) -> Iterator[None]:
        """Let forwards read no words."""

        def forward(name: str, *_: Any, **__: Any) -> Tensor:
            return remembered(memories, name)

        with ExitStack() as stack:
            for name, attention in crosses(model.parts["unet"]):
                stack.enter_context(instead(attention, partial(forward, name)))
            yield


def crosses(unet: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the cross-attentions of a U-Net with their names."""
    for name, module in unet.named_modules():
        if name.endswith(".attn2"):
            yield name, module


def mixed(own: Memory, other: Memory) -> Memory:
    """Return the mean of two memories, as the paper takes it of the prompt's row and the negative's."""
    return {name: (value + other[name]) / 2 for name, value in own.items()}
