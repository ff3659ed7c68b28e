"""A compiled step is trusted where its gradients are those of the module itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from easel.training.embedded.compiling import apart, gradients, trusted


@pytest.fixture
def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 2))


def step(forward: object) -> torch.Tensor:
    assert callable(forward)
    return forward(torch.ones(3, 4)).square().mean()


def test_what_agrees_is_taken(module: nn.Module, capsys: pytest.CaptureFixture[str]) -> None:
    def same(x: torch.Tensor) -> torch.Tensor:
        return module(x)

    assert trusted(module, same, step) is same
    assert capsys.readouterr().out == ""
    assert all(p.grad is None for p in module.parameters())


def test_a_right_forward_with_a_wrong_backward_is_left(module: nn.Module, capsys: pytest.CaptureFixture[str]) -> None:
    def silent_inside(x: torch.Tensor) -> torch.Tensor:
        first, act, last = module.children()
        return last(act(first(x).detach()))

    assert torch.equal(silent_inside(torch.ones(3, 4)), module(torch.ones(3, 4)))
    assert trusted(module, silent_inside, step) is module
    assert "training goes on uncompiled" in capsys.readouterr().out


def test_how_far_gradients_are_apart(module: nn.Module) -> None:
    found = gradients(module, step, module)
    assert apart(found, found) == 0
    assert apart([torch.zeros_like(one) for one in found], found) == pytest.approx(1)
