"""The training loop: a resumed run equals a straight one bit for bit; averages and rates keep their laws."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from easel.training.learning import checkpoint
from easel.training.learning.loop import Plan, average_decay, learning_rate, progress, train, update_average
from easel.training.learning.muon import orthogonalise


def losses_of(module: nn.Module):
    def losses(step: int) -> dict[str, torch.Tensor]:
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        return {"loss": (module(x) - x.sum(1, keepdim=True)).square().mean()}

    return losses


def fresh() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.GELU(), nn.Linear(8, 1))


PLAN = Plan(steps=30, warmup=5, learning_rate=1e-2)


def test_resume_equals_a_straight_run_bit_for_bit(tmp_path: Path) -> None:
    straight = fresh()
    train(straight, losses_of(straight), PLAN, tmp_path / "straight")
    for stop in (7, 19, None):
        stopped = fresh()
        train(stopped, losses_of(stopped), PLAN, tmp_path / "stopped", stop_at=stop)
    first, _ = checkpoint.load(tmp_path / "straight" / "state.safetensors")
    second, _ = checkpoint.load(tmp_path / "stopped" / "state.safetensors")
    assert {group: set(part) for group, part in first.items()} == {group: set(part) for group, part in second.items()}
    for group, part in first.items():
        assert all(torch.equal(tensor, second[group][name]) for name, tensor in part.items()), group
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), stopped.parameters(), strict=True))


def test_the_loss_falls_and_is_kept_as_table_and_curve(tmp_path: Path) -> None:
    module = fresh()
    before = float(losses_of(module)(0)["loss"].detach())
    train(module, losses_of(module), Plan(steps=200, warmup=5, learning_rate=2e-2, average=0.9), tmp_path)
    assert float(losses_of(module)(0)["loss"].detach()) < before / 4
    assert (tmp_path / "losses.csv").read_text().startswith("step,rate,loss")
    assert (tmp_path / "losses.png").stat().st_size > 1000


def test_a_step_that_is_not_finite_changes_no_weight(tmp_path: Path) -> None:
    module = fresh()
    before = [p.detach().clone() for p in module.parameters()]

    def losses(step: int) -> dict[str, torch.Tensor]:
        return {"loss": module(torch.ones(1, 3)).sum() * float("nan")}

    train(module, losses, Plan(steps=2), tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def test_the_average_is_the_weighted_sum() -> None:
    module = nn.Linear(2, 1)
    average = {name: torch.zeros_like(value) for name, value in module.state_dict().items()}
    for _ in range(3):
        update_average(average, module, 0.5)
    assert torch.allclose(average["weight"], module.weight * (1 - 0.5**3))


def test_the_average_forgets_the_start_quickly() -> None:
    plan = Plan(steps=10, average=0.99)
    assert average_decay(plan, 0) == 0.1
    assert average_decay(plan, 10_000) == 0.99


def test_the_rate_rises_then_falls_to_nothing() -> None:
    plan = Plan(steps=100, warmup=10, learning_rate=1.0)
    rates = [learning_rate(plan, step, progress(plan, step, 0.0)) for step in range(101)]
    assert rates[0] == 0.1 and max(rates) == max(rates[8:12]) and rates[-1] < 1e-9


def test_minutes_count_where_minutes_are_planned() -> None:
    plan = Plan(minutes=10)
    assert progress(plan, 5, 300.0) == 0.5
    assert progress(plan, 5, 6000.0) == 1.0


@pytest.mark.parametrize("wrong", [{}, {"steps": 3, "minutes": 1.0}])
def test_a_plan_has_one_goal(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="either steps or minutes"):
        Plan(**wrong)  # pyright: ignore[reportArgumentType]


def test_muon_resumes_bit_for_bit_and_learns(tmp_path: Path) -> None:
    plan = Plan(steps=30, warmup=2, learning_rate=3e-2, muon=True, average=0.8)
    straight = fresh()
    before = float(losses_of(straight)(0)["loss"].detach())
    train(straight, losses_of(straight), plan, tmp_path / "straight")
    for stop in (11, None):
        stopped = fresh()
        train(stopped, losses_of(stopped), plan, tmp_path / "stopped", stop_at=stop)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), stopped.parameters(), strict=True))
    assert float(losses_of(straight)(0)["loss"].detach()) < before


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    matrices = torch.randn(2, 16, 40, generator=torch.Generator().manual_seed(0))
    for shaped in (matrices, matrices.mT):
        values = orthogonalise(shaped).float()
        assert values.shape == shaped.shape
        assert bool((torch.linalg.svdvals(values) - 1).abs().max() < 0.5)
