"""Weights laid out once: the same bits, whatever weight is put in their place."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from easel.adapters.networks.layers import put
from easel.models.cpu.convolutions import ReadyConv2d, laid_out, make_ready
from easel.models.edges import wrapped

LIKE = torch.channels_last
NATIVE = torch.cpu._is_avx512_bf16_supported()
PLENTY = 2**40


def pair(kernel: int = 3, **options: Any) -> tuple[nn.Conv2d, Any]:
    """A convolution, and one of the same weights that is ready."""
    torch.manual_seed(0)
    made: Any = [nn.Conv2d(32, 48, kernel, **options).bfloat16().requires_grad_(False) for _ in range(2)]
    plain, ready = (layer.to(memory_format=LIKE) for layer in made)
    ready.load_state_dict(plain.state_dict())
    make_ready(nn.Sequential(ready), PLENTY)
    assert type(ready) is ReadyConv2d
    return plain, ready


def picture(images: int = 2, side: int = 16) -> Tensor:
    return torch.randn(images, 32, side, side).bfloat16().contiguous(memory_format=LIKE)


@torch.inference_mode()
@pytest.mark.skipif(not NATIVE, reason="compares bits of bfloat16 products that this processor emulates")
@pytest.mark.parametrize("options", [{"padding": 1}, {"padding": 1, "stride": 2}, {"kernel": 1}, {"bias": False}])
def test_it_gives_the_same_bits_for_every_size(options: dict[str, Any]) -> None:
    plain, ready = pair(**options)
    for x in (picture(), picture(5, 9), picture(1, 31), picture()):
        assert torch.equal(ready(x), plain(x))


@torch.inference_mode()
def test_another_weight_in_its_place_is_seen_and_so_is_the_first_again() -> None:
    """As merged networks come and go."""
    plain, ready = pair(padding=1)
    x = picture()
    first, bias = ready(x), plain.bias[:, None, None]  # type: ignore[index]
    for scale in (0.5, 2.0, -1.0):
        weight = plain.weight * scale
        give_back = put(ready, weight, None)
        del weight  # its memory may be taken for the next
        assert torch.allclose(ready(x), (plain(x) - bias) * scale + bias, atol=0.05)
        give_back()
        assert torch.equal(ready(x), first)


@torch.inference_mode()
def test_edges_that_meet_are_seen() -> None:
    plain, ready = pair(padding=1)
    x = picture()
    before = ready(x)
    with wrapped(plain, "x"), wrapped(ready, "x"):
        assert torch.allclose(ready(x), plain(x), atol=0.05)
        assert not torch.equal(ready(x), before)
    assert torch.equal(ready(x), before)


def test_what_it_is_not_for_is_torchs() -> None:
    """float32, gradients and paddings of other kinds."""
    plain, ready = pair(padding=1)
    x = picture().requires_grad_()
    ready(x).float().sum().backward()
    assert x.grad is not None and ready.laid is None
    with torch.inference_mode():
        full = picture().float()
        assert torch.equal(ready.float()(full), plain.float()(full)) and ready.laid is None
        _, same = pair(padding="same")
        assert same(picture()).shape[-1] == 16 and same.laid is None


def test_it_is_done_only_where_memory_is_plenty_and_counted() -> None:
    part = nn.Sequential(nn.Conv2d(32, 32, 3).bfloat16(), nn.Conv2d(32, 32, 1).bfloat16()).requires_grad_(False)
    size = sum(layer.weight.nbytes for layer in part)  # type: ignore[union-attr]
    make_ready(part, 4 * size - 1)
    assert [type(layer) for layer in part] == [nn.Conv2d, nn.Conv2d]
    make_ready(part, 4 * size)
    assert [type(layer) for layer in part] == [ReadyConv2d, ReadyConv2d]
    assert laid_out(part) == 0
    with torch.inference_mode():
        part(picture())
    assert laid_out(part) == size
