"""Attention to pictures beside the attention to words: one more product for rows that are led, at each cross-attention.

The layer computes as it does without, fused kernels, networks by rows and all; its query is looked at as it is made,
and what pictures add is added before the layer's last projection, as IP-Adapter has it. Rows that are not led are not
touched. Knows attention layers; does not know where keys and values come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from easel.adapters.networks.rows import span
from easel.adapters.rowmemory import instead


@dataclass(frozen=True, slots=True, eq=False)
class Led:
    """What a row reads beside its words.

    keys, values: (tokens, channels) for each cross-attention in order. region: the share in which it reads them at
    each place of an attention, (places,) by the number of places; empty for everywhere alike.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    region: Mapping[int, Tensor]

    @property
    def tokens(self) -> int:
        """How many tokens it reads."""
        return len(self.keys[0])


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Rows of a forward that read as many tokens each, and share a product. strengths: (rows, 1, 1)."""

    rows: tuple[int, ...]
    led: tuple[Led, ...]
    strengths: Tensor

    def pieces(self, choose: Callable[[Led], Tensor]) -> Tensor:
        """Return what is chosen of each row, (rows, ...); no copy where all read the same."""
        if all(one is self.led[0] for one in self.led):
            first = choose(self.led[0])
            return first.expand(len(self.led), *first.shape)
        return torch.stack([choose(one) for one in self.led])

    def amounts(self, places: int) -> Tensor:
        """Return how much of what it reads each row takes at each place, (rows, places or 1, 1)."""
        if not any(one.region for one in self.led):
            return self.strengths
        everywhere = self.strengths.new_ones(places)
        return self.strengths * self.pieces(lambda one: one.region[places] if one.region else everywhere)[..., None]


def grouped(led: Sequence[tuple[Led, float] | None], like: Tensor) -> list[Group]:
    """Return the rows that are led, those with equally many tokens together. like: of the forward's device and format.

    led: for each row what it reads and how strongly, None for nothing.
    """
    by_tokens: dict[int, list[int]] = {}
    for row, one in enumerate(led):
        if one is not None:
            by_tokens.setdefault(one[0].tokens, []).append(row)
    groups: list[Group] = []
    for rows in by_tokens.values():
        own = [one for row in rows if (one := led[row]) is not None]
        strengths = torch.tensor([strength for _, strength in own], dtype=like.dtype).to(like.device)
        groups.append(Group(tuple(rows), tuple(read for read, _ in own), strengths.view(-1, 1, 1)))
    return groups


@contextmanager
def reading(attentions: Sequence[nn.Module], groups: Sequence[Group]) -> Iterator[None]:
    """Let groups of rows read pictures at each of a denoiser's cross-attentions for as long as the context lasts."""
    with ExitStack() as stack:
        for number, attention in enumerate(attentions):
            stack.enter_context(instead(attention, beside(attention, number, groups)))
        yield


def beside(attention: Any, number: int, groups: Sequence[Group]) -> Callable[..., Any]:
    """Return what stands in for one cross-attention: itself, and what pictures add.

    Its query is looked at behind all that hangs on its layer (networks by rows), which is there by now.
    """
    before, attend = attention.forward, getattr(attention.processor, "attend", F.scaled_dot_product_attention)

    def forward(*inputs: Any, **named: Any) -> Any:
        queries: list[Tensor] = []

        def look(layer: nn.Module, given: Any, query: Tensor) -> None:
            queries.append(query)

        def add(layer: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (added(given[0], queries[-1], int(attention.heads), number, groups, attend), *given[1:])

        handles = (attention.to_q.register_forward_hook(look), attention.to_out[0].register_forward_pre_hook(add))
        try:
            return before(*inputs, **named)
        finally:
            for handle in handles:
                handle.remove()

    return forward


def added(
    words: Tensor,
    query: Tensor,
    heads: int,
    number: int,
    groups: Sequence[Group],
    attend: Callable[[Tensor, Tensor, Tensor], Tensor] = F.scaled_dot_product_attention,
) -> Tensor:
    """Return what words give, (n, places, channels), with what pictures add to the rows of groups, in place."""
    for group in groups:
        there = span(group.rows)
        parts = (
            query[there],
            group.pieces(lambda one: one.keys[number]),
            group.pieces(lambda one: one.values[number]),
        )
        asked, keys, values = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in parts)
        found = attend(asked, keys.to(asked.dtype), values.to(asked.dtype)).transpose(1, 2).flatten(2)
        led = words[there].addcmul_(group.amounts(found.shape[1]).to(found.dtype), found)
        if not isinstance(there, slice):  # of rows that lie together it is a view
            words[there] = led
    return words


def crosses_of(denoiser: nn.Module) -> list[tuple[int, nn.Module]]:
    """Return a U-Net's cross-attentions in order, each with its number among all its attentions."""
    attentions = [(name, one) for name, one in denoiser.named_modules() if hasattr(one, "processor")]
    return [(number, one) for number, (name, one) in enumerate(attentions) if name.endswith(".attn2")]
