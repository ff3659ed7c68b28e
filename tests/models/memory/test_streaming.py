"""Blocks that come and go: found in the tree of any network, in step with its forward, and the same to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from easel.core.client import Done, Event
from easel.core.request import Request
from easel.core.settings import read_settings
from easel.engine.engine import Engine
from easel.models.accelerate import Machine
from easel.models.edges import wrapped
from easel.models.family import load
from easel.models.layouts.identify import identify
from easel.models.memory.devices import Copies
from easel.models.memory.moving import Stay, size_of, tensors_of
from easel.models.memory.residency import Residency
from easel.models.memory.streaming import called, divided, streamed
from easel.recipes import recipes
from tests.counting import CountingDevice, Watch, homes_of
from tests.tiny import write_tiny_sd
from tests.tiny_families import write_tiny_flux, write_tiny_sd3, write_tiny_sdxl

FAMILIES: dict[str, Callable[[Path], Path]] = {
    "sd": write_tiny_sd,
    "sdxl": write_tiny_sdxl,
    "sd3": write_tiny_sd3,
    "flux": write_tiny_flux,
}


def drawn(folder: Path, residency: Residency | None) -> list[bytes]:
    """The pixels of two requests drawn together; no forward may read a weight that is not on the device."""
    machine = Machine("cpu", torch.float32, torch.float32, residency)
    model = load(identify(folder), read_settings(), machine=machine)
    heard: list[Event] = []
    engine = Engine()
    with Watch(homes_of(*model.parts.values()) if residency else set()):
        for seed in (1, 2):
            request = Request(prompt="a fox", seed=seed, steps=2, width=64, height=64)
            engine.add(str(seed), recipes["txt2img"].make(request, model), heard.append)
        while engine.step():
            pass
    return [event.result.pictures[0].image.tobytes() for event in heard if isinstance(event, Done)]


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_are_the_same_under_every_budget(family: str, tmp_path: Path) -> None:
    folder = FAMILIES[family](tmp_path / family)
    expected = drawn(folder, None)
    assert len(expected) == 2
    parts = load(identify(folder), read_settings(), machine=Machine("cpu", torch.float32, torch.float32)).parts
    largest = max(size_of(tensors_of(part)) for part in parts.values())
    for share in (5.0, 1.0, 0.4):
        device = CountingDevice(int(share * largest))
        residency = Residency(device, device.capacity, 2**30)
        assert drawn(folder, residency) == expected
        assert 0 < device.peak <= device.capacity
        residency.leave()
        assert device.used == 0


class Odd(nn.Module):
    """What a tree may hold: a list, shared and own tensors, and a module that reads another without calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.layers[0].weight
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (*self.layers, self.tied):
            x = layer(x) * self.scale
        return self.attention(x, x, x, need_weights=False)[0]


def test_a_tree_is_divided_where_it_is_called() -> None:
    odd = Odd().requires_grad_(False)
    modules = list(called(odd, 80))
    assert modules == [*odd.layers, odd.tied, odd.attention]
    assert list(called(odd, 10**6)) == modules  # lists are never called, whatever their size
    division = divided(odd, modules, 1)
    assert [block.size for block in division.blocks] == [16, 80, 80, 16, size_of(tensors_of(odd.attention))]
    assert {id(one) for one in division.rest} == {id(odd.scale), id(odd.tied.weight)}
    assert division.least == 80 + division.largest == 80 + size_of(tensors_of(odd.attention))
    assert [block.size for block in divided(odd, modules, 80).blocks] == [80, 80, division.largest]
    device = CountingDevice(10**6)
    residency = Residency(device, size_of(tensors_of(odd)) - 1)
    x, watch = torch.randn(1, 3, 4), Watch(homes_of(odd))
    expected = odd(x)
    with residency.using(odd), watch:
        assert torch.equal(odd(x), expected)


def test_hooks_of_adapters_work_while_blocks_come_and_go() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(*(nn.Conv2d(4, 4, 3, padding=1) for _ in range(12))).requires_grad_(False)
    x = torch.randn(2, 4, 8, 8)
    with ExitStack() as stack:
        for conv in net:
            stack.enter_context(wrapped(conv, "xy"))  # type: ignore[arg-type]
            hook = conv.register_forward_hook(lambda layer, given, made: made + layer.weight.mean())
            stack.callback(hook.remove)
        expected = net(x)
        watch = Watch(homes_of(net))
        device = CountingDevice(size_of(tensors_of(net)) // 3)
        with Residency(device, device.capacity).using(net), watch:
            assert torch.equal(net(x), expected)
    assert not torch.equal(net(x), expected)


class Telling(CountingDevice):
    """Writes down what it is told to fetch, and keeps its own near copies of what waits."""

    def __init__(self, capacity: int, told: list[str]) -> None:
        super().__init__(capacity)
        self.told = told
        self.nearer = 0

    def put(self, tensors: list[Tensor]) -> Copies:  # type: ignore[override]
        """Copies whose arrival is told."""
        copies = super().put(tensors)
        self.told.append(f"fetch {int(tensors[0][0, 0])}")
        return Copies(copies.tensors, lambda: self.told.append(f"await {int(tensors[0][0, 0])}"))

    def near(self, tensor: Tensor) -> Tensor:
        """A copy, unless it is one."""
        self.nearer += 1
        return tensor.clone()


def test_the_next_block_travels_while_one_computes() -> None:
    told: list[str] = []
    net = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(3))).requires_grad_(False)
    for number, layer in enumerate(net):
        layer.weight.fill_(number)  # type: ignore[union-attr]
        layer.register_forward_pre_hook(lambda layer, given: told.append(f"compute {int(layer.weight[0, 0])}"))
    device = Telling(32, told)
    stay, order = Stay(device), list[int]()
    blocks = divided(net, list(net), 1).blocks
    x = torch.randn(1, 2)
    with streamed(blocks, stay, device, order):
        net(x)
    assert told == [line for n in range(3) for line in (f"fetch {n}", f"await {n}", f"compute {n}")]
    assert order == [0, 1, 2]
    told.clear()
    with streamed(blocks, stay, device, order):
        net(x)
        net(x)
    once = ["fetch 0", "await 0", "fetch 1", "compute 0", "await 1", "fetch 2", "compute 1", "await 2", "compute 2"]
    assert told == 2 * once
    assert device.peak == 32 and device.used == 0
    assert device.nearer == 6  # each block once a context, before it travels
    told.clear()
    with streamed(blocks, stay, device, [0, 1, 2], ahead=False):
        net(x)
    assert "fetch 1" not in told[:3]


def test_another_order_than_the_last_time() -> None:
    """A block that was fetched for nothing takes no more room than the one that was expected."""
    net = nn.Sequential(*(nn.Linear(4, 4, bias=False) for _ in range(5))).requires_grad_(False)
    device = CountingDevice(2 * 64)
    stay, order = Stay(device), [0, 1, 2, 3, 4]
    blocks = divided(net, list(net), 1).blocks
    x = torch.randn(1, 4)
    expected = net[0](net[0](net[2](net[4](net[0](x)))))
    with streamed(blocks, stay, device, order), Watch(homes_of(net)):
        assert torch.equal(net[0](net[0](net[2](net[4](net[0](x))))), expected)
    assert device.peak <= 2 * 64 and device.used == 0
    assert order == [0, 4, 2, 0, 0]


@pytest.mark.parametrize("family", FAMILIES)
def test_families_load_to_where_weights_wait(family: str, tmp_path: Path) -> None:
    """A device that could not hold the model whole must not be asked to while it loads."""
    device = CountingDevice(2**30)
    machine = Machine("meta", torch.float32, torch.float32, Residency(device, device.capacity))
    model = load(identify(FAMILIES[family](tmp_path / family)), read_settings(), machine=machine)
    places = {tensor.device.type for part in model.parts.values() for tensor in tensors_of(part)}
    assert places == {machine.home} == {"cpu"}
