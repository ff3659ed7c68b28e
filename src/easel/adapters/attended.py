"""Where a U-Net looks for words: its cross-attention, left in a row's memory while a forward computes as ever.

Tang et al. 2022 (DAAM), arXiv:2210.04885, and Hertz et al. 2022, arXiv:2208.01626. Each cross-attention's queries and
keys are listened to, and the share of its attention that every token has is computed from them once more; what attends
within, torch's kernel or ours, is not touched. Knows U-Nets; does not know which tokens are wanted, nor what for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from easel.adapters.tgate import crosses
from easel.core.work import Memory

ALL, LATE = "all layers", "late layers"  # of a U-Net, and of these the last half of its way up


@dataclass(frozen=True, slots=True)
class Attended:
    """The attention of a U-Net's layers to each token, summed over layers that see as many places.

    Left in a row's memory as (1, places, tokens), averaged over heads, under names that `maps_in` reads.
    """

    @contextmanager
    def keeping(self, model: Any, memories: Sequence[Memory | None]) -> Iterator[None]:
        """Let forwards leave where each row looks for each of its tokens."""
        layers = list(crosses(model.parts["unet"]))
        late = late_of([name for name, _ in layers])
        with ExitStack() as stack:
            for name, attention in layers:
                groups = (ALL, LATE) if name in late else (ALL,)
                stack.enter_context(listened(attention, groups, memories))
            yield

    def taking(self, model: Any, memories: Sequence[Memory]) -> AbstractContextManager[None]:
        """Return a context in which nothing is taken: what was kept is for reading alone."""
        return nullcontext()


def late_of(names: Sequence[str]) -> frozenset[str]:
    """Return those of a U-Net's layers that are the last half of its way up; they see where a thing ends."""
    up = [name for name in names if name.startswith("up_blocks.")]
    return frozenset(up[len(up) // 2 :])


@contextmanager
def listened(attention: Any, groups: Sequence[str], memories: Sequence[Memory | None]) -> Iterator[None]:
    """Let an attention layer add its attention to the memories, for as long as the context lasts."""
    heard: dict[str, Tensor] = {}

    def hear(name: str) -> Any:
        def listen(module: nn.Module, inputs: Any, output: Tensor) -> None:
            heard[name] = output

        return listen

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        query, key = heard.pop("query"), heard.pop("key")
        for row, memory in enumerate(memories):
            if memory is None:
                continue
            found = shares(query[row], key[row], attention.heads)[None]
            for group in groups:
                name = f"{group} {found.shape[1]}"
                memory[name] = memory[name] + found if name in memory else found

    hooks = (
        attention.to_q.register_forward_hook(hear("query")),
        attention.to_k.register_forward_hook(hear("key")),
        attention.register_forward_hook(leave),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def shares(query: Tensor, key: Tensor, heads: int) -> Tensor:
    """Return which share of a place's attention each token has, (places, tokens) float32, the mean of all heads.

    query: (places, channels) and key: (tokens, channels), as the layer projects them.
    """
    query, key = (part.float().unflatten(-1, (heads, -1)).transpose(0, 1) for part in (query, key))
    return (query @ key.transpose(1, 2) * query.shape[-1] ** -0.5).softmax(-1).mean(0)


def maps_in(memory: Mapping[str, Tensor], group: str, sides: tuple[int, int]) -> Tensor:
    """Return the attention to each token over the latent, (tokens, height, width) float32 on the processor.

    sides: of the latent. Layers that see fewer places are brought to its size; their sum is returned.
    """
    found: list[Tensor] = []
    for name, value in memory.items():
        if name.startswith(f"{group} "):
            seen = value[0].to("cpu", torch.float32)
            small = seen.T.unflatten(-1, sides_of(seen.shape[0], sides))[None]
            large = torch.nn.functional.interpolate(small, size=sides, mode="bicubic", align_corners=False)
            found.append(large[0] if small.shape[-2:] != sides else small[0])
    return torch.stack(found).sum(0).clamp(min=0)


def sides_of(places: int, sides: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of a layer that sees so many places of a latent, which is halved on the way down."""
    height, width = sides
    while height * width > places and (height, width) != (1, 1):
        height, width = -(-height // 2), -(-width // 2)
    return height, width
