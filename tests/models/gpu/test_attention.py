"""Which fused attention is asked first."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend
from torch.nn.functional import scaled_dot_product_attention

from easel.models.gpu.attention import CUDNN_FIRST, USUAL, attending, head_sizes, order_for
from tests.models.gpu.parts import small, unet


def test_head_sizes_are_read_from_the_layers() -> None:
    assert head_sizes(unet()) == {4, 8}  # two heads of 8 and 16 channels
    assert head_sizes(small()) == set()


@pytest.mark.parametrize(
    ("sizes", "capability", "first"),
    [
        ({64}, (9, 0), SDPBackend.CUDNN_ATTENTION),
        ({64, 128}, (10, 0), SDPBackend.CUDNN_ATTENTION),
        ({64}, (8, 9), SDPBackend.FLASH_ATTENTION),
        ({40, 80, 160}, (9, 0), SDPBackend.FLASH_ATTENTION),
        (set(), (9, 0), SDPBackend.FLASH_ATTENTION),
    ],
)
def test_the_first_asked(sizes: set[int], capability: tuple[int, int], first: SDPBackend) -> None:
    assert order_for(sizes, capability)[0] == first


def test_every_kernel_may_be_asked_in_the_end() -> None:
    assert set(USUAL) == set(CUDNN_FIRST)
    q = torch.randn(1, 2, 8, 4)
    for order in (USUAL, CUDNN_FIRST):
        with attending(order):
            found = scaled_dot_product_attention(q, q, q)
        torch.testing.assert_close(found, scaled_dot_product_attention(q, q, q))
