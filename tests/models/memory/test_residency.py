"""What is where: parts in use are on the device, its bytes stay within the budget, the least recently used leave."""

from __future__ import annotations

import gc

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from easel.core.errors import OutOfMemory
from easel.models.memory.moving import size_of, tensors_of, weights_of
from easel.models.memory.residency import Residency, leaving, shares, weights_budget
from easel.models.memory.streaming import staying
from tests.counting import CountingDevice, Watch, homes_of

MIB = 2**20


class Encoder(nn.Sequential):
    """A part that looks words up, as text encoders do."""

    def get_input_embeddings(self) -> nn.Module:
        return self[0]


class Autoencoder(nn.Sequential):
    """A part whose layers may be read without being called."""

    def decode(self, x: Tensor) -> Tensor:
        return torch.nn.functional.linear(x, self[0].weight)


def part(*widths: int, kind: type[nn.Sequential] = nn.Sequential) -> nn.Sequential:
    """A part of square layers without bias, 4 * width * width bytes each."""
    return kind(*(nn.Linear(width, width, bias=False).requires_grad_(False) for width in widths))


def size(one: nn.Module) -> int:
    return size_of(tensors_of(one))


def on_device(one: nn.Module, device: CountingDevice) -> bool:
    return all(device.has(tensor.data) for tensor in tensors_of(one))


def nowhere(one: nn.Module, device: CountingDevice) -> bool:
    return not any(device.has(tensor.data) for tensor in tensors_of(one))


def test_a_part_in_use_is_on_the_device_and_goes_back_without_a_copy() -> None:
    one = part(8, 8)
    one.register_buffer("codes", torch.arange(5, dtype=torch.uint8))
    numbers = [tensor.clone() for tensor in tensors_of(one)]
    homes = [tensor.data_ptr() for tensor in tensors_of(one)]
    device = CountingDevice(MIB)
    residency = Residency(device, MIB)
    with residency.using(one):
        assert on_device(one, device)
        assert device.used == residency.there == size(one)
    assert on_device(one, device)  # there is room, so it stays for the next time
    with residency.using(one):
        assert device.moved == size(one)
    residency.leave()
    assert device.used == residency.there == 0
    assert [tensor.data_ptr() for tensor in tensors_of(one)] == homes
    assert all(torch.equal(a, b) for a, b in zip(tensors_of(one), numbers, strict=True))
    assert [name for name, _ in one.named_parameters()] == ["0.weight", "1.weight"]


@settings(max_examples=60)
@given(
    widths=st.lists(st.integers(1, 24), min_size=1, max_size=6),
    uses=st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3), max_size=12),
    slack=st.floats(0, 2),
)
def test_laws_of_any_sequence(widths: list[int], uses: list[list[int]], slack: float) -> None:
    """In use means there; never above the budget; who was used longest ago leaves first; nothing of it stays."""
    parts = [part(width) for width in widths]
    uses = [sorted({number % len(parts) for number in use}) for use in uses]
    needed = [sum(size(parts[number]) for number in use) for use in uses]
    budget = max([*needed, 1]) + int(slack * sum(map(size, parts)))
    device = CountingDevice(budget)
    residency = Residency(device, budget)
    expected: list[int] = []  # who is there, the least recently used first
    for use in uses:
        expected = [number for number in expected if number not in use]
        while expected and sum(size(parts[number]) for number in (*expected, *use)) > budget:
            expected.pop(0)
        with residency.using(*(parts[number] for number in use)):
            assert all(on_device(parts[number], device) for number in use)
        expected += reversed(use)  # contexts end in the opposite order
        for number, one in enumerate(parts):
            assert (on_device if number in expected else nowhere)(one, device)
    assert device.peak <= budget
    residency.leave()
    assert device.used == 0


def test_parts_in_use_never_leave() -> None:
    first, second, third = part(16), part(16), part(16)
    device = CountingDevice(2 * size(first))
    residency = Residency(device, device.capacity)
    with residency.using(first):
        for other in (second, third, second):
            with residency.using(other):
                assert on_device(first, device) and on_device(other, device)
        with residency.using(first):  # again within
            pass
        assert on_device(first, device)
        with pytest.raises(OutOfMemory), residency.using(second, third):
            pass
        assert on_device(first, device)
    residency.leave()
    assert device.used == 0


@pytest.mark.parametrize("share", [0.15, 0.2, 0.3, 0.5, 0.9, 1.0])
def test_what_does_not_fit_comes_block_by_block_with_the_same_result(share: float) -> None:
    torch.manual_seed(0)
    one, x = part(*[32] * 20), torch.randn(3, 32)
    watch = Watch(homes_of(one))
    expected = one(x)
    device = CountingDevice(int(share * size(one)))
    residency = Residency(device, device.capacity)
    for _ in range(3):
        with residency.using(one), watch:
            assert torch.equal(one(x), expected)
            assert device.used <= device.capacity
        assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in one.modules())
    assert device.peak <= device.capacity
    residency.leave()
    assert device.used == 0


def test_an_error_in_a_forward_leaves_nothing_behind() -> None:
    one = part(*[16] * 10)
    device = CountingDevice(size(one) // 3)
    residency = Residency(device, device.capacity)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), residency.using(one):
        one(torch.randn(2, 5))
    residency.leave()
    assert device.used == residency.there == 0
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in one.modules())


def test_text_encoders_and_autoencoders_leave_after_use_when_not_all_fits() -> None:
    denoiser, encoder = part(32, 32), part(16, kind=Encoder)
    for budget, stays in ((size(denoiser) + size(encoder), True), (size(denoiser) + size(encoder) - 1, False)):
        device = CountingDevice(budget)
        residency = Residency(device, budget)
        for one in (denoiser, encoder):
            with residency.using(one):
                pass
        assert on_device(encoder, device) is stays
        assert on_device(denoiser, device) is stays  # it made way for the encoder
        residency.leave()


def test_autoencoders_are_never_taken_apart() -> None:
    one = part(16, 16, kind=Autoencoder)
    residency = Residency(CountingDevice(MIB), size(one) - 1)
    with pytest.raises(OutOfMemory, match="--vram") as caught, residency.using(one):
        pass
    assert (caught.value.needed, caught.value.free) == (size(one), size(one) - 1)


def test_weights_replaced_meanwhile_move_too() -> None:
    """An adapter may put another weight into a layer, and take it off again, wherever the layer is."""
    one, x = part(16, 16), torch.randn(2, 16)
    mine = one[0].weight
    device = CountingDevice(MIB)
    residency = Residency(device, MIB)
    with residency.using(one):
        pass
    with torch.inference_mode():
        one[0].weight = nn.Parameter(mine + 1, requires_grad=False)
    watch = Watch(homes_of(one[0]))
    with torch.inference_mode(), residency.using(one), watch:
        assert on_device(one, device)
        one(x)
    assert device.used == size(one)  # the weight that nobody reads now has left
    one[0].weight = mine
    residency.leave()
    assert device.used == 0
    with residency.using(one):
        assert on_device(one, device)


def test_what_was_made_on_the_device_can_leave_it() -> None:
    """A part that was loaded straight to the device has no home yet; it gets one when it leaves."""
    one = part(8)
    device = CountingDevice(MIB)
    made = device.put([one[0].weight.data])
    numbers = one[0].weight.clone()
    one[0].weight.data = made.tensors.pop()
    residency = Residency(device, MIB)
    with residency.using(one):
        assert residency.there == size(one)
    residency.leave()
    assert device.used == 0
    assert torch.equal(one[0].weight, numbers)


def test_parts_that_nobody_has_any_more_are_forgotten() -> None:
    device = CountingDevice(MIB)
    residency = Residency(device, MIB)
    one = part(*[16] * 10)
    residency.budget = size(one) // 2  # also when it was streamed
    with residency.using(one):
        one(torch.randn(1, 16))
    del one
    gc.collect()
    assert device.used == residency.there == 0


def test_an_allocation_failure_brings_nothing_and_harms_nothing() -> None:
    one = part(16, 16)
    device = CountingDevice(size(one) - 1)
    residency = Residency(device, MIB)  # a budget that the device does not have
    with pytest.raises(torch.OutOfMemoryError), residency.using(one):
        pass
    assert device.used == residency.there == 0
    device.capacity = MIB
    with residency.using(one):
        assert on_device(one, device)


def test_weights_give_room_step_by_step() -> None:
    torch.manual_seed(0)
    one, other, x = part(*[32] * 40), part(32), torch.randn(2, 32)
    expected = one(x)
    device = CountingDevice(MIB)
    residency = Residency(device, MIB)
    taken: list[int] = []
    with residency.using(other):
        pass
    for _ in range(20):
        with residency.using(one):
            assert torch.equal(one(x), expected)
            taken.append(residency.there)
        if not residency.give_room():
            break
        assert nowhere(other, device)
    assert taken == sorted(set(taken), reverse=True) and len(taken) >= 3
    assert taken[-1] < size(one) / 8
    residency.restore()
    with residency.using(one):
        assert residency.there == taken[0] - size(other)


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 1)), max_size=5), st.integers(0, 400))
def test_shares(needs: list[tuple[int, float]], budget: int) -> None:
    asked = [(whole, int(whole * least)) for whole, least in needs]
    if sum(least for _, least in asked) > budget:
        with pytest.raises(OutOfMemory):
            shares(asked, budget)
        return
    found = shares(asked, budget)
    assert sum(found) <= budget
    assert all(least <= given <= whole for given, (whole, least) in zip(found, asked, strict=True))
    assert sum(found) == min(budget, sum(whole for whole, _ in asked))


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(0, 600))
def test_blocks_that_stay_fit(sizes: list[int], room: int) -> None:
    found = staying(sizes, room)
    assert sum(sizes[number] for number in found) <= room
    if sum(sizes) <= room:
        assert len(found) == len(sizes)


def test_blocks_that_stay_are_spread_evenly() -> None:
    assert sorted(staying([10] * 12, 60)) == [1, 3, 5, 7, 9, 11]


@given(st.dictionaries(st.text(max_size=2), st.integers(0, 50), max_size=6), st.integers(0, 60), st.integers(0, 150))
def test_who_leaves(sizes: dict[str, int], coming: int, budget: int) -> None:
    """The least recently used go, no more of them than must, and nobody goes who takes nothing."""
    gone = leaving(sizes, coming, budget)
    kept = [size for name, size in sizes.items() if name not in gone]
    assert sum(kept) + coming <= budget or not any(kept)
    takers = [name for name, size in sizes.items() if size]
    assert gone == takers[: len(gone)]
    if gone:
        assert sum(kept) + sizes[gone[-1]] + coming > budget


@pytest.mark.parametrize(
    ("total", "weights"), [(4 * 2**30, 3 * 2**30), (8 * 2**30, 6 * 2**30), (2**30, 2**29), (24 * 2**30, 18 * 2**30)]
)
def test_forwards_keep_room(total: int, weights: int) -> None:
    assert weights_budget(total) == weights


def test_room_beside_weights() -> None:
    one, other = part(16), part(16)
    residency = Residency(CountingDevice(MIB), 2 * size(one), total=MIB)
    assert residency.room(one) == MIB - size(one)
    with residency.using(other):
        pass
    assert residency.room(one) == MIB - 2 * size(one)
    assert residency.room(one, part(32)) == MIB - 2 * size(one)  # weights never take more than their budget


def test_shared_tensors_count_once() -> None:
    first, second = part(8), part(8)
    second[0].weight = first[0].weight
    assert weights_of((first, second)) == size(first)
