"""What leads a row: the text as the denoiser reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Conditioning:
    """One text, encoded.

    context: (tokens, width), float32. extra: what else a row is told of the text, by name, each without the row's axis,
    such as "pooled" (width,).
    """

    context: Tensor
    extra: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
