"""What is where: parts of models come to a device within a budget, and the least recently used leave first.

A part in use is on the device whole, or, where it does not fit, block by block (streaming.py), with the same numbers
and so the same picture. Parts in use never leave. Text encoders and autoencoders, which work once a picture, leave
after use when not everything fits together. Knows modules by their sizes; knows no families and no requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from easel.core.errors import OutOfMemory
from easel.models.memory.devices import Device
from easel.models.memory.moving import Stay, size_of, tensors_of
from easel.models.memory.streaming import Block, Division, called, divided, staying, streamed

BLOCKS = 16  # a block takes at most this part of the budget
SMALL = 512  # a block below this part of it is not worth a journey
ROOM = 4  # this part of a device is left to what forwards compute,
LEAST_ROOM = 2**30  # at least so many bytes, but never more than half
TIGHTEST = 16  # weights give way down to this part of their size

Key = TypeVar("Key")


def weights_budget(total: int) -> int:
    """Return how many of a device's `total` bytes weights may take; what forwards compute has the others."""
    return total - max(total // ROOM, min(LEAST_ROOM, total // 2))


def shares(needs: Sequence[tuple[int, int]], budget: int) -> list[int]:
    """Return how many bytes each of several parts gets; the smallest are whole first.

    needs: of each part the bytes that it takes whole, and those below which it cannot work. Raises OutOfMemory.
    """
    left = budget - sum(least for _, least in needs)
    if left < 0:
        needed = sum(least for _, least in needs)
        raise OutOfMemory(needed, budget, "the weights do not fit; allow more by --vram, or take a smaller model")
    found = [least for _, least in needs]
    for number in sorted(range(len(needs)), key=lambda number: needs[number][0]):
        more = min(needs[number][0] - found[number], left)
        found[number] += more
        left -= more
    return found


def leaving(sizes: Mapping[Key, int], coming: int, budget: int) -> list[Key]:
    """Return what must go so that `coming` bytes fit into the budget.

    sizes: what is there, the least recently used first; that goes first.
    """
    gone: list[Key] = []
    taken = sum(sizes.values())
    for key, size in sizes.items():
        if taken + coming <= budget:
            break
        if size:
            gone.append(key)
            taken -= size
    return gone


def streamable(part: nn.Module) -> bool:
    """Return whether a part's blocks are all called: an autoencoder's are not, whose tiles read its layers directly."""
    return not hasattr(part, "decode")


def seldom(part: nn.Module) -> bool:
    """Return whether a part works once a picture, as text encoders and autoencoders do, and not at every step."""
    return hasattr(part, "decode") or hasattr(part, "get_input_embeddings")


@dataclass(slots=True, eq=False)
class Place:
    """Where one part is.

    size: its bytes. users: contexts that it stands in now. needed: what it may take while it is used. used: when it was
    last used, counted. blocks: its modules that are called, for blocks of at most so many bytes. passing: which of its
    blocks come and go. order: in which those are called.
    """

    stay: Stay
    size: int = 0
    users: int = 0
    needed: int = 0
    used: int = 0
    blocks: tuple[int, tuple[nn.Module, ...]] | None = None
    passing: tuple[int, ...] = ()
    order: list[int] = field(default_factory=list[int])


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How one part will be there. resident: what stays as long as the part; passing: the blocks that come and go.

    needed: bytes that it takes at most. ahead: whether two blocks fit at a time.
    """

    place: Place
    resident: tuple[Tensor, ...]
    passing: tuple[Block, ...]
    needed: int
    ahead: bool = False


class Residency:
    """Who is on a device. One instance per engine, used by its thread alone.

    budget: bytes that weights may take there; total: those that Easel may.
    """

    def __init__(self, device: Device, budget: int, total: int | None = None) -> None:
        self.budget = budget
        self.total = budget if total is None else total
        self._device = device
        self._allowed = budget
        self._clock = 0
        self._last = (0, 0)  # what the parts last brought need whole, and what they were given
        self._places: WeakKeyDictionary[nn.Module, Place] = WeakKeyDictionary()

    @property
    def there(self) -> int:
        """The bytes that weights take on the device."""
        return sum(place.stay.bytes for place in self._places.values())

    def room(self, *parts: nn.Module) -> int:
        """Return the bytes that are left to what forwards compute while these parts are used."""
        coming = {id(part): size_of(tensors_of(part)) for part in parts}
        there = sum(place.stay.bytes for part, place in self._places.items() if id(part) not in coming)
        return self.total - min(there + sum(coming.values()), self.budget)

    @contextmanager
    def using(self, *parts: nn.Module) -> Iterator[None]:
        """Let parts be ready on the device for as long as the context lasts. Raises OutOfMemory."""
        wanted = list(dict.fromkeys(parts))
        coming = [part for part in wanted if not self._place(part).users]
        with ExitStack() as stack:
            for part in wanted:
                stack.enter_context(self._in_use(part))
            for plan in self._brought(coming):
                if plan.passing:
                    place = plan.place
                    stack.enter_context(streamed(plan.passing, place.stay, self._device, place.order, ahead=plan.ahead))
            yield

    def give_room(self) -> bool:
        """Leave more of the device to what forwards compute; return whether there was more to give.

        Parts not in use leave, and weights get half of what they had, until `restore`.
        """
        self.leave()
        whole, given = self._last
        smaller = min(self.budget, given) // 2
        if smaller * TIGHTEST < whole or not smaller:
            return False
        self.budget = smaller
        return True

    def restore(self) -> None:
        """Give weights their whole budget again."""
        self.budget = self._allowed

    def leave(self) -> None:
        """Let everything that is not in use leave the device."""
        for place in self._places.values():
            if not place.users:
                place.stay.keep_only(())

    def _place(self, part: nn.Module) -> Place:
        if part not in self._places:
            self._places[part] = Place(Stay(self._device))
        return self._places[part]

    @contextmanager
    def _in_use(self, part: nn.Module) -> Iterator[None]:
        place = self._place(part)
        place.users += 1
        try:
            yield
        finally:
            place.users -= 1
            self._clock += 1
            place.used = self._clock
            if not place.users:
                place.needed = 0
            if not place.users and seldom(part) and self._tight():
                place.stay.keep_only(())

    def _tight(self) -> bool:
        return sum(place.size for place in self._places.values()) > self.budget

    def _brought(self, parts: Sequence[nn.Module]) -> list[Plan]:
        """Bring parts and return how each is there; what must leave has left before anything comes."""
        if not parts:
            return []
        others = [place for part, place in self._places.items() if place.users and part not in parts]
        free = self.budget - sum(max(place.needed, place.stay.bytes) for place in others)
        plans = self._plans(parts, free)
        for plan in plans:
            plan.place.stay.keep_only(plan.resident)
            plan.place.needed = plan.needed
        needed = sum(plan.needed for plan in plans)
        idle = sorted((place for place in self._places.values() if not place.users), key=lambda place: place.used)
        for place in leaving({place: place.stay.bytes for place in idle}, needed, free):
            place.stay.keep_only(())
        for plan in plans:
            plan.place.stay.bring(plan.resident)()
        self._last = (sum(plan.place.size for plan in plans), needed)
        return plans

    def _plans(self, parts: Sequence[nn.Module], budget: int) -> list[Plan]:
        """Return how each of these parts can be on the device within `budget` bytes. Raises OutOfMemory."""
        tensors = [tuple(tensors_of(part)) for part in parts]
        sizes = [size_of(found) for found in tensors]
        for part, size in zip(parts, sizes, strict=True):
            self._place(part).size = size
        if sum(sizes) <= budget:
            found = zip(parts, tensors, sizes, strict=True)
            return [Plan(self._place(part), own, (), size) for part, own, size in found]
        divisions = [self._division(part, own) for part, own in zip(parts, tensors, strict=True)]
        needs = [(size, min(size, one.least)) for size, one in zip(sizes, divisions, strict=True)]
        given = shares(needs, budget)
        return [
            planned(self._place(part), one, size, share)
            for part, one, size, share in zip(parts, divisions, sizes, given, strict=True)
        ]

    def _division(self, part: nn.Module, tensors: tuple[Tensor, ...]) -> Division:
        if not streamable(part):
            return Division((), tensors)
        place, largest = self._place(part), self.budget // BLOCKS
        if place.blocks is None or place.blocks[0] != largest:
            place.blocks = (largest, tuple(called(part, largest)))
        return divided(part, place.blocks[1], self.budget // SMALL)


def planned(place: Place, division: Division, size: int, share: int) -> Plan:
    """Return how a part of `size` bytes is there with `share` of them: as many blocks stay as there is room for."""
    rest = size_of(division.rest)
    if share >= size:
        return Plan(place, (*division.rest, *(one for block in division.blocks for one in block.tensors)), (), size)
    ahead = share - rest >= 2 * division.largest
    window = division.largest * (2 if ahead else 1)
    kept = staying([block.size for block in division.blocks], share - rest - window)
    passing = tuple(number for number in range(len(division.blocks)) if number not in kept)
    if passing != place.passing:
        place.passing, place.order = passing, []
    staying_ones = [one for number in sorted(kept) for one in division.blocks[number].tensors]
    resident = (*division.rest, *staying_ones)
    return Plan(place, resident, tuple(division.blocks[i] for i in passing), size_of(resident) + window, ahead)
