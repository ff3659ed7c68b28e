"""What leads a row: the text as the denoiser reads it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Conditioning:
    """One text, encoded.

    context: (77 * chunks, width), float32.
    """

    context: Tensor
