"""What pictures add within one attention layer, by our kernel too, whose keys may lie in memory once for all rows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn import functional as F

from easel.adapters.pictures.attention import Led, grouped, reading
from easel.models.cpu.attention import attend_by
from easel.models.cpu.kernels import kernels

HEADS, WIDTH, PLACES = 3, 64, 50
CHANNELS = HEADS * WIDTH
HALF = torch.bfloat16


def layer() -> Any:
    """A cross-attention as U-Nets have it."""
    torch.manual_seed(0)
    return Attention(CHANNELS, 32, heads=HEADS, dim_head=WIDTH).requires_grad_(False).eval()


def led_by(tokens: int, seed: int) -> Led:
    chance = torch.Generator().manual_seed(seed)
    keys, values = torch.randn(2, tokens, CHANNELS, generator=chance)
    share = torch.rand(PLACES, generator=chance)
    return Led((keys.to(HALF),), (values.to(HALF),), {PLACES: share} if seed % 2 else {})


def expected(attention: Any, x: Tensor, words: Tensor, led: Led | None, strength: float) -> Tensor:
    """The same by the formula, in float32, of one row."""

    def heads(part: Tensor) -> Tensor:
        return part.unflatten(-1, (HEADS, WIDTH)).transpose(-3, -2)

    query = heads(attention.to_q(x))
    found = F.scaled_dot_product_attention(query, heads(attention.to_k(words)), heads(attention.to_v(words)))
    if led is not None:
        seen = F.scaled_dot_product_attention(query, heads(led.keys[0].float()), heads(led.values[0].float()))
        found = found + strength * seen * (led.region[PLACES][:, None] if led.region else 1)
    return attention.to_out[0](found.transpose(-3, -2).flatten(-2))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("apart", [False, True])
@torch.inference_mode()
def test_rows_read_what_they_are_led_by(own: bool, apart: bool) -> None:
    """In halves, by torch's attention and by ours; rows that lie apart, that share keys, and that are not led."""
    exact, attention = layer(), layer().to(HALF)
    if own:
        found = kernels()
        if found is None:
            pytest.skip("this processor has no bfloat16")
        attend_by(attention, found)
    one, other = led_by(4, 0), led_by(4, 1)
    led: list[tuple[Led, float] | None] = [(one, 0.5), (one, 1.5), (one, 1.0), None, (led_by(9, 3), 0.7)]
    if apart:
        led[1:3] = [None, (other, 0.8)]
    x, words = torch.randn(5, PLACES, CHANNELS), torch.randn(5, 7, 32)
    with reading([attention], grouped(led, x.to(HALF))):
        given = attention(x.to(HALF), encoder_hidden_states=words.to(HALF)).float()
    plain = attention(x.to(HALF), encoder_hidden_states=words.to(HALF)).float()
    for row, pair in enumerate(led):
        read, strength = pair or (None, 0.0)
        wanted = expected(exact, x[row], words[row], read, strength)
        error = float((given[row] - wanted).std() / wanted.std())
        assert error < 0.02, f"row {row} is off by {error:.1%}"
        assert torch.equal(given[row], plain[row]) == (read is None)
