"""Which of torch's fused attentions a part of a model should meet first.

torch asks them in order and takes the first that can. cuDNN's is the faster one on Hopper and later for the head sizes
that it was made for; others, as Stable Diffusion 1.5 has them (40, 80, 160), it takes as well, and flash attention's
kernels are written for sizes filled up to the next multiple of 32. That is what is published; none was measured here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

HOPPER = (9, 0)
USUAL = (
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.MATH,
)
CUDNN_FIRST = (SDPBackend.CUDNN_ATTENTION, *(one for one in USUAL if one != SDPBackend.CUDNN_ATTENTION))
CUDNN_SIZES = (64, 128)


def head_sizes(part: nn.Module) -> set[int]:
    """Return the head sizes of a part's attentions, as diffusers builds them."""
    found: set[int] = set()
    for module in part.modules():
        heads, query = getattr(module, "heads", None), getattr(module, "to_q", None)
        if isinstance(heads, int) and isinstance(query, nn.Linear):
            found.add(query.out_features // heads)
    return found


def order_for(sizes: set[int], capability: tuple[int, int]) -> Sequence[SDPBackend]:
    """Return in which order attentions of these head sizes should ask the kernels. capability: the card's."""
    return CUDNN_FIRST if sizes and sizes <= set(CUDNN_SIZES) and capability >= HOPPER else USUAL


def attending(order: Sequence[SDPBackend]) -> AbstractContextManager[Any]:
    """Return a context in which attention asks the kernels in this order."""
    return sdpa_kernel(list(order), set_priority=True)


def capability() -> tuple[int, int]:
    """Return what the card can do, in NVIDIA's numbers."""
    return torch.cuda.get_device_capability()
