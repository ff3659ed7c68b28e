"""Steps that are compiled, where compiled gradients can be trusted.

A compiler can be right forwards and wrong backwards: torch 2.13's, on processor cores, left whole blocks of a U-Net
without a gradient, and training went on looking well. So both ways are asked once. Knows no stage.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

APART = 0.15  # of gradients in bfloat16, two ways of the same step are about 0.05 apart

Step = Callable[[Callable[..., torch.Tensor]], torch.Tensor]


def gradients(module: nn.Module, step: Step, forward: Callable[..., torch.Tensor]) -> list[torch.Tensor]:
    """The gradients of a loss by the module's parameters, which keep none. step: the loss of a forward."""
    learned = [p for p in module.parameters() if p.requires_grad]
    found = torch.autograd.grad(step(forward), learned, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(learned, found, strict=True)]


def apart(some: list[torch.Tensor], others: list[torch.Tensor]) -> float:
    """How far gradients are from the others: 0 where equal, 1 where they say nothing."""
    differences = torch.stack([(a.float() - b.float()).norm() for a, b in zip(some, others, strict=True)])
    return float(differences.norm() / torch.stack([b.float().norm() for b in others]).norm())


def trusted(module: nn.Module, compiled: Callable[..., torch.Tensor], step: Step) -> Callable[..., torch.Tensor]:
    """`compiled` where its gradients are the module's own, else the module, and a line that says so."""
    wrong = apart(gradients(module, step, compiled), gradients(module, step, module))
    if wrong <= APART:
        return compiled
    print(f"compiled gradients are wrong by {wrong:.0%}: training goes on uncompiled", flush=True)
    return module
