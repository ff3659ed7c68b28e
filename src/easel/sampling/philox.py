"""CUDA's normal noise, imitated on the CPU: Philox 4x32-10 (Salmon et al. 2011) and the Box-Muller transform.

Equal to torch.randn on a CUDA device as long as the tensor fits one pass of its grid; A1111 calls the source "NV".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Words = NDArray[np.uint32]

MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
UNIT = 2.0**-32
TURN = float(np.float32(UNIT * 2 * math.pi))  # CUDA holds this in float32, and its noise shows it


class Philox:
    """The stream that a CUDA generator of this seed draws: one counter step a call."""

    def __init__(self, seed: int) -> None:
        self._seed = seed % 2**64
        self._offset = 0

    def randn(self, shape: Sequence[int]) -> Tensor:
        """Return the next draw, float32 on the CPU."""
        import torch

        count = math.prod(shape)
        index = np.arange(count, dtype=np.uint32)
        zero = np.zeros(count, dtype=np.uint32)
        first, second, _, _ = philox((zero + np.uint32(self._offset), zero, index, zero), self._seed)
        self._offset += 1
        values = normal(first, second).reshape(tuple(shape))
        return torch.from_numpy(values)  # pyright: ignore[reportUnknownMemberType]


def philox(counter: tuple[Words, Words, Words, Words], seed: int) -> tuple[Words, Words, Words, Words]:
    """Return four random words for each counter, under the key that is the seed's two halves."""
    a, b, c, d = counter
    low, high = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(ROUNDS):
        left, right = a * MULTIPLIERS[0], c * MULTIPLIERS[1]
        a, b, c, d = (
            (right >> np.uint64(32)).astype(np.uint32) ^ b ^ np.uint32(low),
            right.astype(np.uint32),
            (left >> np.uint64(32)).astype(np.uint32) ^ d ^ np.uint32(high),
            left.astype(np.uint32),
        )
        low, high = (low + WEYL[0]) & 0xFFFFFFFF, (high + WEYL[1]) & 0xFFFFFFFF
    return a, b, c, d


def normal(first: Words, second: Words) -> NDArray[np.float32]:
    """Return normal values, the sine branch of Box-Muller, from two words each."""
    u = first * UNIT + UNIT / 2
    v = second * TURN + TURN / 2
    return (np.sqrt(-2.0 * np.log(u)) * np.sin(v)).astype(np.float32)
