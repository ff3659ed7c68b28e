"""DeepCache: the inner layers of a U-Net change slowly from step to step, so a forward may take theirs from an earlier.

Ma et al. 2023, arXiv:2312.00858. A short forward computes the first convolution and the last layer of the last block,
which joins its output; all between is taken from the row's memory. Knows U-Nets; does not know when a forward is short.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from easel.adapters.rowmemory import instead, left_by, remembered
from easel.core.work import Memory

NAME = "inner layers"


@dataclass(frozen=True, slots=True)
class DeepCache:
    """The inner layers of a U-Net, left in a row's memory as one tensor (1, channels, height, width)."""

    def keeping(self, model: Any, memories: Sequence[Memory | None]) -> AbstractContextManager[None]:
        """Let forwards leave what the last layer but one of the last block returns."""
        return left_by(before_last(model.parts["unet"]), NAME, memories)

    @contextmanager
    def taking(self, model: Any, memories: Sequence[Memory]) -> Iterator[None]:
        """Let forwards compute the last layer of the last block alone."""
        unet = model.parts["unet"]
        last = unet.up_blocks[-1]
        source = before_last(unet)
        found = remembered(memories, NAME)
        with ExitStack() as stack:
            for block in unet.down_blocks:
                stack.enter_context(instead(block, downwards(block)))
            if unet.mid_block is not None:
                stack.enter_context(instead(unet.mid_block, passed_on))
            for block in unet.up_blocks[:-1]:
                stack.enter_context(instead(block, passed_on))
            for resnet in last.resnets[:-1]:
                stack.enter_context(instead(resnet, passed_on))
            for attention in attentions_of(last)[:-2]:
                stack.enter_context(instead(attention, passed_on_by_attention))
            given = (found,) if attentions_of(last) else found
            stack.enter_context(instead(source, lambda *_, **__: given))
            yield


def before_last(unet: Any) -> nn.Module:
    """Return the module whose output the last layer of the last block joins with that of the first convolution."""
    last = unet.up_blocks[-1]
    return (attentions_of(last) or list(last.resnets))[-2]


def attentions_of(block: Any) -> list[nn.Module]:
    """Return the attentions of a block, one after each of its other layers, or none."""
    return list(getattr(block, "attentions", ()))


def nothing_of(hidden_states: Tensor) -> Tensor:
    """Return a tensor without channels, which costs nothing to join: (n, 0, height, width)."""
    return hidden_states[:, :0]


def passed_on(hidden_states: Tensor, *_: Any, **__: Any) -> Any:
    """Return what came in."""
    return hidden_states


def passed_on_by_attention(hidden_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor]:
    """Return what came in as attentions return it."""
    return (hidden_states,)


def downwards(block: Any) -> Any:
    """Return what stands in for a block on the way down: as many residuals as it has, all of nothing."""
    count = len(block.resnets) + (getattr(block, "downsamplers", None) is not None)

    def forward(hidden_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        return nothing_of(hidden_states), (nothing_of(hidden_states),) * count

    return forward
