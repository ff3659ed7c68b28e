"""The one training loop: step, average, decay, checkpoint, report.

A run is planned by steps (deterministic: a resumed run equals a straight one bit for bit) or by minutes of work (the
share of the minutes spent sets the learning rate; the minutes are kept in the checkpoint).  The loss is a function of
the step number alone.  Knows no model and no data.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from easel.training.learning import checkpoint
from easel.training.learning.muon import Muon
from easel.training.learning.report import Reporter

Losses = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train; exactly one of `steps` and `minutes` is set."""

    steps: int | None = None
    minutes: float | None = None
    learning_rate: float = 3e-4
    warmup: int = 100  # steps of linear rise
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    muon: bool = False  # Muon for matrices and filters in place of AdamW
    largest_gradient: float = 1.0
    average: float = 0.999  # decay of the moving average of the weights
    save_seconds: float = 60
    sheet_seconds: float = 300

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError(f"a plan needs either steps or minutes, got steps={self.steps}, minutes={self.minutes}")


def progress(plan: Plan, step: int, seconds: float) -> float:
    """The share of the plan that is done, 0..1."""
    done = step / max(1, plan.steps) if plan.steps is not None else seconds / (60 * (plan.minutes or 1e-9))
    return min(1.0, done)


def learning_rate(plan: Plan, step: int, done: float) -> float:
    """Linear warm-up, then a cosine to zero."""
    rise = min(1.0, (step + 1) / max(1, plan.warmup))
    return plan.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * done))


def average_decay(plan: Plan, step: int) -> float:
    """The moving average's decay, short at first so that the random start is soon forgotten."""
    return min(plan.average, (1 + step) / (10 + step))


@torch.no_grad()
def update_average(average: dict[str, torch.Tensor], module: nn.Module, decay: float) -> None:
    """average = decay * average + (1 - decay) * weights, in place."""
    names = list(average)
    weights = module.state_dict()
    floating = [name for name in names if average[name].is_floating_point()]
    torch._foreach_lerp_([average[n] for n in floating], [weights[n] for n in floating], 1 - decay)


def make_optimizers(module: nn.Module, plan: Plan) -> list[torch.optim.Optimizer]:
    """AdamW with weight decay on matrices and filters only (Loshchilov and Hutter 2019), or Muon for those."""
    trained = [p for p in module.parameters() if p.requires_grad]
    matrices, others = [p for p in trained if p.ndim >= 2], [p for p in trained if p.ndim < 2]
    if plan.muon:
        return [
            Muon(matrices, plan.learning_rate, weight_decay=plan.weight_decay),
            torch.optim.AdamW(others, lr=plan.learning_rate, betas=plan.betas, weight_decay=0.0, fused=True),
        ]
    groups = [{"params": matrices, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [torch.optim.AdamW(groups, lr=plan.learning_rate, betas=plan.betas, fused=True)]


def train(
    module: nn.Module,
    losses: Callable[[int], Losses],
    plan: Plan,
    folder: Path,
    sheet: Callable[[int], object] | None = None,
    stop_at: int | None = None,
) -> nn.Module:
    """Trains `module` in place until the plan is done and returns it holding the averaged weights.

    `losses(step)` gives named scalars, of which "loss" is minimised.  `folder` keeps state.safetensors, losses.csv and
    losses.png; a later call goes on from there.  `sheet(step)` is called now and then with the averaged weights in
    place.  `stop_at` ends the call early at that step, as a kill would, after a checkpoint.
    """
    optimizers = make_optimizers(module, plan)
    average = {name: value.detach().clone() for name, value in module.state_dict().items()}
    step, spent = 0, 0.0
    state = folder / "state.safetensors"
    if state.is_file():
        groups, facts = checkpoint.load(state)
        module.load_state_dict(groups["weights"])
        for name, value in groups["average"].items():
            average[name].copy_(value)
        checkpoint.restore_optimizers(optimizers, module, groups.get("optimizer", {}))
        step, spent = int(facts["step"]), float(facts["seconds"])

    def save() -> None:
        parts = {
            "weights": module.state_dict(),
            "average": average,
            "optimizer": checkpoint.optimizer_tensors(optimizers, module),
        }
        checkpoint.save(state, parts, {"step": step, "seconds": spent})

    def with_average(call: Callable[[int], object]) -> None:
        kept = {name: value.detach().clone() for name, value in module.state_dict().items()}
        module.load_state_dict(average)
        module.eval()
        with torch.no_grad():
            call(step)
        module.load_state_dict(kept)
        module.train()

    module.train()
    started = time.monotonic() - spent
    saved = shown = time.monotonic()
    with Reporter(folder, plan.steps, plan.minutes) as reporter:
        while (done := progress(plan, step, spent)) < 1 and (stop_at is None or step < stop_at):
            rate = learning_rate(plan, step, done)
            for group in (group for optimizer in optimizers for group in optimizer.param_groups):
                group["lr"] = rate
            values = losses(step)
            module.zero_grad(set_to_none=True)
            values["loss"].backward()
            norm = nn.utils.clip_grad_norm_(module.parameters(), plan.largest_gradient)
            if torch.isfinite(norm):
                for optimizer in optimizers:
                    optimizer.step()
            update_average(average, module, average_decay(plan, step))
            step += 1
            now = time.monotonic()
            spent = now - started
            reporter.add(step, done, {name: float(v.detach()) for name, v in values.items()}, rate)
            if now - saved > plan.save_seconds:
                save()
                saved = now
            if sheet is not None and now - shown > plan.sheet_seconds:
                with_average(sheet)
                shown = time.monotonic()
    save()
    module.load_state_dict(average)
    module.eval()
    if sheet is not None and stop_at is None:
        with torch.no_grad():
            sheet(step)
    return module
