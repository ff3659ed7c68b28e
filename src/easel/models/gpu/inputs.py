"""What a part of a model reads, by its own names: rows, and what all rows share.

A dot in a name stands for a mapping within, as U-Nets take what they are told beside time and text; numbers after it
for a list, as they take what is added to their blocks. Knows tensors and
how a part is called; knows no device.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """rows: tensors (n, ...) with a row for each of n rows. shared: tensors without rows."""

    rows: Mapping[str, Tensor]
    shared: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])

    def __len__(self) -> int:
        return len(next(iter(self.rows.values())))

    @property
    def shape(self) -> Hashable:
        """What a forward is made for, whatever its rows hold and however many they are."""
        rows = tuple((name, tuple(value.shape[1:]), value.dtype) for name, value in self.rows.items())
        return rows, tuple((name, tuple(value.shape), value.dtype) for name, value in self.shared.items())

    @property
    def named(self) -> dict[str, Any]:
        """All of them as keyword arguments."""
        return nested({**self.rows, **self.shared})

    @property
    def tensors(self) -> list[Tensor]:
        """All of them, in order."""
        return [*self.rows.values(), *self.shared.values()]

    def cut(self, *widths: int) -> list[Inputs]:
        """Return these rows in order as pieces of these widths."""
        if len(widths) == 1:
            return [self]
        parts = {name: torch.split(value, list(widths)) for name, value in self.rows.items()}
        return [Inputs({name: part[i] for name, part in parts.items()}, self.shared) for i in range(len(widths))]

    def filled(self, width: int) -> Inputs:
        """Return these rows and as many copies of the last as make `width`: numbers that a forward can bear."""
        more = width - len(self)
        if not more:
            return self

        def fuller(value: Tensor) -> Tensor:
            rows = torch.cat([value, value[-1:].expand(more, *value.shape[1:])])
            return rows.contiguous(memory_format=layout_of(value))

        return Inputs({name: fuller(value) for name, value in self.rows.items()}, self.shared)

    def each(self, do: Callable[[Tensor], Tensor]) -> Inputs:
        """Return what `do` makes of every tensor."""
        rows, shared = ({name: do(value) for name, value in some.items()} for some in (self.rows, self.shared))
        return Inputs(rows, shared)

    def on(self, device: str | torch.device) -> Inputs:
        """Return the same on a device."""
        return self.each(lambda value: value.to(device))

    def given_to(self, part: nn.Module, verb: str = "forward") -> Tensor:
        """Return what a part of diffusers' makes of these by a method, its hooks called, (n, ...)."""
        call: Any = part if verb == "forward" else getattr(part, verb)
        return call(**self.named, return_dict=False)[0]


def nested(named: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return tensors by name as keyword arguments: "a.b" lies as "b" in a mapping "a", "c.0" in a list "c"."""
    found: dict[str, Any] = {}
    for name, value in named.items():
        outer, _, inner = name.partition(".")
        if inner:
            found.setdefault(outer, {})[inner] = value
        else:
            found[name] = value
    return {name: listed(value) if isinstance(value, dict) else value for name, value in found.items()}


def listed(within: dict[str, Any]) -> dict[str, Any] | list[Any]:
    """Return a mapping, as a list where its names are numbers; U-Nets take what T2I-Adapters add off it one by one."""
    if not all(name.isdecimal() for name in within):
        return within
    return [within[name] for name in sorted(within, key=int)]


def layout_of(value: Tensor) -> torch.memory_format:
    """Return how a tensor lies in memory: channels together, or plain."""
    together = value.ndim == 4 and value.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if together else torch.contiguous_format
