"""A part that does not fit whole: its blocks come to the device before their forward and leave after it.

Blocks are found in the module tree by their size. Some stay, as many as there is room for, spread evenly among those
that come and go, so that there is always something to compute while the next one travels. Knows modules and their
hooks; knows no budget of the whole and no other part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from easel.models.memory.devices import Device
from easel.models.memory.moving import Stay, point, size_of, tensors_of

UNCALLED = (nn.ModuleList, nn.ModuleDict, nn.Sequential)  # their owners may call what is in them one by one


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A module that computes as one, and its tensors."""

    module: nn.Module
    tensors: tuple[Tensor, ...]
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """A part taken apart: blocks in the order of the module tree, and the rest, which always stays."""

    blocks: tuple[Block, ...]
    rest: tuple[Tensor, ...]

    @property
    def largest(self) -> int:
        """The bytes of its largest block."""
        return max((block.size for block in self.blocks), default=0)

    @property
    def least(self) -> int:
        """The bytes below which it cannot work: the rest, and one block at a time."""
        return size_of(self.rest) + self.largest


def divided(part: nn.Module, modules: Sequence[nn.Module], least: int) -> Division:
    """Return a part divided into the blocks that these modules of it are; see `called`.

    Tensors that several blocks share, and those of blocks below `least` bytes, belong to the rest.
    """
    found = [tuple(tensors_of(module)) for module in modules]
    owners: dict[int, int] = {}
    for tensors in found:
        for tensor in tensors:
            owners[id(tensor)] = owners.get(id(tensor), 0) + 1
    blocks: list[Block] = []
    for module, tensors in zip(modules, found, strict=True):
        own = tuple(tensor for tensor in tensors if owners[id(tensor)] == 1)
        size = size_of(own)
        if size >= max(least, 1):
            blocks.append(Block(module, own, size))
    moved = {id(tensor) for block in blocks for tensor in block.tensors}
    return Division(tuple(blocks), tuple(tensor for tensor in tensors_of(part) if id(tensor) not in moved))


def called(module: nn.Module, largest: int) -> Iterator[nn.Module]:
    """Yield the modules below one that are called as a whole and hold at most `largest` bytes where that can be.

    A module with tensors of its own may read those below it without calling them; so it is never divided.
    """
    for child in module.children():
        owns = any(tensor is not None for table in (child._parameters, child._buffers) for tensor in table.values())
        large = not owns and size_of(tensors_of(child)) > largest and any(True for _ in child.children())
        if large or isinstance(child, UNCALLED):
            yield from called(child, largest)
        else:
            yield child


def staying(sizes: Sequence[int], room: int) -> frozenset[int]:
    """Return which blocks stay in `room` bytes: evenly spread, the same for the same room."""
    total = sum(sizes)
    if total <= room:
        return frozenset(range(len(sizes)))
    stay: set[int] = set()
    passed, taken = 0, 0
    for number, size in enumerate(sizes):
        passed += size
        if (taken + size) * total <= passed * room:
            stay.add(number)
            taken += size
    return frozenset(stay)


@contextmanager
def streamed(
    blocks: Sequence[Block], stay: Stay, device: Device, order: list[int], *, ahead: bool = True
) -> Iterator[None]:
    """Let blocks be on the device while they compute, for as long as the context lasts; afterwards none of them is.

    order: in which they were called the last time, written anew at the end; the next in it travels while one computes,
    so that two of them are there at most. Without `ahead` it is one. Adapters' hooks run while their block is there.
    """
    calls: list[int] = []
    coming: dict[int, Callable[[], None]] = {}

    def bring(number: int) -> None:
        coming[number] = stay.bring(blocks[number].tensors)

    def before(number: int, module: nn.Module, inputs: Any) -> None:
        if number not in coming:
            bring(number)
        coming[number]()
        if len(calls) == len(order):
            calls.clear()  # another forward
        calls.append(number)
        place = len(calls)
        expected = ahead and place < len(order) and order[place - 1] == number
        if expected and len(coming) == 1 and order[place] != number:
            bring(order[place])

    def after(number: int, module: nn.Module, inputs: Any, output: Any) -> None:
        coming.pop(number, None)
        stay.leave(blocks[number].tensors)

    for block in blocks:
        for tensor in block.tensors:
            if not stay.holds(tensor) and not device.has(tensor):
                settle(tensor, device)
    with ExitStack() as hooks:
        for number, block in enumerate(blocks):
            handle = block.module.register_forward_pre_hook(partial(before, number), prepend=True)
            hooks.callback(handle.remove)
            handle = block.module.register_forward_hook(partial(after, number), always_call=True)
            hooks.callback(handle.remove)
        try:
            yield
        finally:
            for block in blocks:
                stay.leave(block.tensors)
            order[:] = calls


def settle(tensor: Tensor, device: Device) -> None:
    """Let a tensor wait where the device fetches it fastest."""
    near = device.near(tensor.data)
    if near.data_ptr() != tensor.data_ptr():
        point(tensor, near)
