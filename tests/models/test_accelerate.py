"""Where forwards run, and what may be taken there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from easel.core.errors import BadValue
from easel.core.settings import read_settings
from easel.models.accelerate import SPARE, Machine, machine_for, ram_budget, residency_for, residency_on
from easel.models.memory.ram import machine_memory
from easel.models.memory.residency import weights_budget
from tests.counting import CountingDevice

GIB = 2**30


def test_a_processor_has_everything_there_already() -> None:
    machine = machine_for(read_settings(device="cpu"))
    assert (machine.residency, machine.home, machine.room()) == (None, "cpu", None)
    part = nn.Linear(2, 2)
    weight = part.weight.data_ptr()
    with machine.using(part):
        assert part.weight.data_ptr() == weight
    assert not machine.give_room()
    machine.restore()


def test_a_bound_that_would_do_nothing_is_refused() -> None:
    with pytest.raises(BadValue, match="setting vram is '8GB', allowed is auto here; device 'cpu'"):
        machine_for(read_settings(device="cpu", vram="8GB"))
    assert residency_on("mps", "auto") is None


def test_weights_wait_in_the_machines_memory_for_a_device_with_its_own() -> None:
    residency = residency_for(CountingDevice(8 * GIB), "auto")
    machine = Machine("cuda", torch.bfloat16, torch.bfloat16, residency)
    assert machine.home == "cpu"
    assert machine.room() == residency.total
    assert machine == Machine("cuda", torch.bfloat16, torch.bfloat16)  # who is there is no part of what it is
    assert hash(machine) == hash(Machine("cuda", torch.bfloat16, torch.bfloat16))


@pytest.mark.parametrize(
    ("vram", "total"),
    [("auto", 8 * GIB - SPARE), ("4GiB", 4 * GIB), ("50%", 4 * GIB), ("100GB", 8 * GIB)],
)
def test_what_may_be_taken_of_a_card(vram: str, total: int) -> None:
    residency = residency_for(CountingDevice(8 * GIB), vram)
    assert (residency.total, residency.budget) == (total, weights_budget(total))


def test_what_models_may_take_of_the_machine() -> None:
    total, free = machine_memory()
    assert 0 < free <= total
    assert total // 2 < ram_budget("auto") < total
    assert ram_budget("1GB") == min(10**9, total)
    assert ram_budget("50%") == total // 2


def test_a_containers_limit(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    assert machine_memory(tmp_path) == pytest.approx(machine_memory(), rel=0.2)
    (group / "memory.max").write_text("max\n")
    assert machine_memory(tmp_path)[0] == machine_memory()[0]
    (group / "memory.max").write_text("1000000\n")
    assert machine_memory(tmp_path) == (1_000_000, 1_000_000)
    (group / "memory.current").write_text("400000\n")
    assert machine_memory(tmp_path) == (1_000_000, 600_000)
