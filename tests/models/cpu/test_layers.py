"""A processor's layers against diffusers' own: the same numbers, whatever a model wears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.activations import GEGLU
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from easel.core.settings import read_settings
from easel.core.work import Rows, Text
from easel.models.cpu.layers import GatedOnce, TogetherTransformer, fit
from easel.models.family import load
from easel.models.layouts.identify import identify
from easel.models.library.names import STARTER
from tests.tiny import write_tiny_sd


def gated(dtype: torch.dtype, *, bias: bool = True) -> Any:
    torch.manual_seed(0)
    return GEGLU(64, 96, bias=bias).to(dtype).requires_grad_(False)


def off(a: Tensor, b: Tensor) -> float:
    """Relative distance."""
    return float((a.double() - b.double()).norm() / b.double().norm())


@torch.inference_mode()
@pytest.mark.parametrize("bias", [True, False])
def test_a_gate_is_nearer_to_the_truth_than_diffusers_own(bias: bool) -> None:
    layer, x = gated(torch.bfloat16, bias=bias), torch.randn(3, 50, 64).bfloat16()
    truth = gated(torch.float32, bias=bias)
    truth.load_state_dict(layer.float().state_dict())
    layer.bfloat16()
    expected, own = truth(x.float()), layer(x)
    fit(layer)
    assert type(layer) is GatedOnce
    assert off(layer(x), expected) < off(own, expected) < 0.01


def test_a_gate_computes_as_diffusers_where_somebody_looks_within() -> None:
    """In float32, for gradients, and where a hook changes what the product gives, as networks worn by rows do."""
    plain, layer, x = gated(torch.float32), gated(torch.float32), torch.randn(2, 5, 64)
    fit(layer)
    with torch.inference_mode():
        assert torch.equal(layer(x), plain(x))
    plain, layer, x = plain.bfloat16(), layer.bfloat16(), x.bfloat16()
    assert torch.equal(layer(x), plain(x))
    asked = x.clone().requires_grad_()
    layer(asked).sum().backward()
    assert asked.grad is not None

    def doubled(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return output * 2

    with torch.inference_mode():
        fused = layer(x)
        for made in (plain, layer):
            made.proj.register_forward_hook(doubled)
        assert torch.equal(layer(x), plain(x))
        assert off(layer(x), fused) > 0.5


@torch.inference_mode()
def test_a_weight_that_is_put_in_place_of_another_is_used() -> None:
    layer, other, x = gated(torch.bfloat16), gated(torch.bfloat16), torch.randn(2, 5, 64).bfloat16()
    fit(layer)
    before = layer(x)
    other.proj.weight.data = layer.proj.weight.data * 1.5
    own = layer.proj.weight.data
    layer.proj.weight.data = other.proj.weight.data
    assert off(layer(x), other(x)) < 0.01 < off(layer(x), before)
    layer.proj.weight.data = own
    assert torch.equal(layer(x), before)


@torch.inference_mode()
@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_transformer_leaves_channels_together(linear: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer: Any = Transformer2DModel(2, 16, in_channels=32, norm_num_groups=8, use_linear_projection=linear)
    layer.to(dtype).to(memory_format=torch.channels_last)
    x = torch.randn(2, 32, 6, 10).to(dtype).contiguous(memory_format=torch.channels_last)
    own: Tensor = layer(x, return_dict=False)[0]
    for module in layer.modules():
        if type(module) is Transformer2DModel:
            module.__class__ = TogetherTransformer
    found: Tensor = layer(x, return_dict=False)[0]
    assert off(found, own) < (1e-6 if dtype == torch.float32 else 0.01)
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("linear", [True, False])
def test_whole_models_predict_what_diffusers_layers_do(tmp_path: Path, linear: bool) -> None:
    folder = write_tiny_sd(tmp_path, linear_projection=linear)
    found: list[Tensor] = []
    for fused in (False, True):
        model: Any = load(identify(folder), read_settings(device="cpu", precision="bfloat16", fused=fused))
        kinds = {type(module) for module in model.unet.modules()}
        assert ({GatedOnce, TogetherTransformer} <= kinds) == fused
        assert ("unfused" in model.machine.words) != fused
        found.append(predicted(model))
    assert 0 < off(found[1], found[0]) < 0.02


def test_the_starter_s_layers_are_replaced_too() -> None:
    fused, plain = (load(identify(STARTER), read_settings(device="cpu", fused=fused)) for fused in (True, False))
    assert off(predicted(fused), predicted(plain)) < 0.03


@torch.inference_mode()
def predicted(model: Any) -> Tensor:
    """What a model predicts for two rows of noise."""
    context = torch.stack([one.context for one in model.encode([Text("a fox"), Text("")])])
    x = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    return model.predict(Rows(x, torch.full((2,), 3.0, dtype=torch.float64), context))
