"""Our attention against torch's: as near to the truth, whatever the shapes, and alone as in company."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor
from torch.nn import functional as F

from easel.models.cpu.attention import OwnAttention, attend_by
from easel.models.cpu.kernels import WIDTHS, kernels

OWN: Any = kernels()
needs_kernel = pytest.mark.skipif(OWN is None, reason="this processor has no AVX-512 BF16, or has AMX beside it")


def attention(*parts: Tensor) -> Tensor:
    query, key, value = parts
    return F.scaled_dot_product_attention(query, key, value)


def asked(heads: int, tokens: int, keys: int, width: int, *, batch: int = 2, spread: float = 1.0) -> list[Tensor]:
    """Query, key and value as linear layers give them: tokens before heads in memory."""
    torch.manual_seed(tokens + keys + width)
    parts = [torch.randn(batch, count, heads, width) for count in (tokens, keys, keys)]
    return [(part * spread).bfloat16().transpose(1, 2) for part in parts]


def off(a: Tensor, b: Tensor) -> float:
    """Relative distance."""
    return float((a.double() - b.double()).norm() / b.double().norm())


@needs_kernel
@pytest.mark.parametrize("width", sorted(WIDTHS))
@pytest.mark.parametrize(("tokens", "keys"), [(64, 64), (33, 77), (1, 1), (100, 7), (256, 129), (31, 64), (5, 65)])
def test_it_is_as_near_to_the_truth_as_torchs(width: int, tokens: int, keys: int) -> None:
    """Whole blocks and their remainders, one token, keys of a text, and scores far apart."""
    for spread in (0.1, 1.0, 6.0):
        parts = asked(3, tokens, keys, width, spread=spread)
        truth = attention(*(part.double() for part in parts))
        ours, theirs = OWN.attend(*parts), attention(*parts)
        assert ours.shape == theirs.shape and ours.dtype == torch.bfloat16
        assert off(ours, truth) < 1.1 * off(theirs, truth) + 1e-3
        assert off(ours, truth) < 0.01


@needs_kernel
def test_a_row_does_not_know_its_company() -> None:
    """Bit for bit, and with any number of threads."""
    parts = asked(4, 96, 77, 40, batch=5)
    together = OWN.attend(*parts)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            for row in range(5):
                assert torch.equal(OWN.attend(*(part[row : row + 1] for part in parts)), together[row : row + 1])
    finally:
        torch.set_num_threads(threads)


@needs_kernel
def test_scores_beyond_the_numbers_of_a_softmax_do_not_overflow() -> None:
    query, key, value = asked(2, 40, 80, 64, spread=200.0)
    ours = OWN.attend(query, key, value)
    assert torch.isfinite(ours).all()
    truth = attention(*(part.double() for part in (query, key, value)))
    assert off(ours, truth) < 0.02


@needs_kernel
@torch.inference_mode()
def test_a_layer_computes_as_diffusers_does() -> None:
    torch.manual_seed(0)
    for heads, width, crossed in ((8, 40, None), (4, 64, 96), (2, 24, None)):  # the last is torch's: no such kernel
        layer = Attention(heads * width, crossed, heads=heads, dim_head=width).bfloat16().requires_grad_(False)
        x = torch.randn(2, 50, heads * width).bfloat16()
        text = None if crossed is None else torch.randn(2, 77, crossed).bfloat16()
        expected = layer(x, encoder_hidden_states=text)
        attend_by(layer, OWN)
        assert type(layer.processor) is OwnAttention
        assert off(layer(x, encoder_hidden_states=text), expected) < 0.01


@needs_kernel
def test_what_the_kernel_does_not_take_is_computed_as_diffusers_does() -> None:
    """Masks, float32, gradients, residuals and norms."""
    torch.manual_seed(0)
    x = torch.randn(2, 12, 64)
    mask = torch.zeros(2, 12).masked_fill(torch.rand(2, 12) < 0.5, -1e4)
    choices: list[dict[str, Any]] = [{}, {"qk_norm": "layer_norm"}]
    choices.append({"residual_connection": True, "rescale_output_factor": 2.0})
    for options in choices:
        plain = Attention(64, heads=1, dim_head=64, **options)
        own = Attention(64, heads=1, dim_head=64, **options)
        own.load_state_dict(plain.state_dict())
        attend_by(own, OWN)
        assert torch.equal(own(x), plain(x))
        assert torch.equal(own(x, attention_mask=mask), plain(x, attention_mask=mask))
    grown = x.clone().requires_grad_()
    own(grown).sum().backward()
    assert grown.grad is not None


@needs_kernel
def test_it_is_asked_only_for_what_it_takes() -> None:
    query, key, value = asked(2, 8, 8, 40)
    with torch.no_grad():
        assert OWN.takes_attention(query, key, value)
        assert not OWN.takes_attention(query.float(), key.float(), value.float())
        assert not OWN.takes_attention(*asked(2, 8, 8, 24))
        assert not OWN.takes_attention(query.transpose(-1, -2), key, value)
    assert not OWN.takes_attention(query, key, value)  # somebody may want gradients


def test_other_processors_stay_as_they_are() -> None:
    class Strange(AttnProcessor2_0):
        pass

    layer = Attention(64, heads=1, dim_head=64, processor=Strange())  # type: ignore[arg-type]
    attend_by(layer, OWN)
    assert type(layer.processor) is Strange
