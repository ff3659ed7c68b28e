"""What the parts of models wear: networks merged where all rows want the same for long enough, else worn by rows.

Keeps for each part what fits it and what is ready to be worn, for as long as the part and the network live. Knows
modules and networks; knows no requests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from torch import nn

from easel.adapters.choice import Costs, choose, costs_of
from easel.adapters.networks.fitting import Fitted, fitted
from easel.adapters.networks.layers import has_weight, weight_shape
from easel.adapters.networks.merging import put_on
from easel.adapters.networks.rows import Rack, bytes_worn
from easel.adapters.networks.weighing import weighed
from easel.core.errors import OutOfMemory
from easel.core.work import Networks
from easel.engine.loaded import LoadedNetwork
from easel.models.memory.ram import machine_memory

Wearing = tuple[tuple[Fitted, float], ...]


def room_for_racks() -> int:
    """Return the bytes that what hangs ready beside a part may take: half of the memory that is free."""
    return machine_memory()[1] // 2


@dataclass(frozen=True, slots=True, eq=False)
class Hanging:
    """A rack, the place of each wearing in it, and about how many bytes it takes."""

    rack: Rack
    places: Mapping[Wearing, int]
    bytes: int


@dataclass(slots=True, eq=False)
class Closet:
    """What belongs to one part of a model.

    fits: what of each network fits it, None for nothing. racks: what rows wore last, that used last at the end.
    merged: what it wears merged; take_off: what ends that.
    """

    fits: WeakKeyDictionary[LoadedNetwork, Fitted | None] = field(
        default_factory=WeakKeyDictionary[LoadedNetwork, "Fitted | None"]
    )
    racks: list[Hanging] = field(default_factory=list[Hanging])
    weights: int = 0
    merged: Wearing = ()
    take_off: Callable[[], None] | None = None


class Wardrobe:
    """One instance per engine, used by its thread alone. room: returns the bytes that racks of one part may take."""

    def __init__(self, room: Callable[[], int] = room_for_racks) -> None:
        self._closets: WeakKeyDictionary[nn.Module, Closet] = WeakKeyDictionary()
        self._room = room

    def wearing(
        self,
        parts: Mapping[str, nn.Module],
        name: str,
        rows: Sequence[Networks],
        left: Sequence[int] = (),
        *,
        may_merge: bool = True,
    ) -> AbstractContextManager[None]:
        """Return a context in which row i of every forward of the part `name` wears `rows[i]`.

        parts: all of the model, by diffusers' names. rows: empty where none wears any. left: forwards that each row has
        still to come, 1 where that is not told. may_merge: whether the part may be given other weights meanwhile.
        Raises Mismatch for a network of which nothing fits the model, OutOfMemory where rows wear too much at once.
        """
        part = parts[name]
        worn = [self._worn(parts, name, networks) for networks in rows]
        if not any(worn):
            self._merge(part, ())
            return nullcontext()
        counts = left or (1,) * len(worn)
        if may_merge:
            merged = self._closet(part).merged
            rows_now = [(one or None, n) for one, n in zip(worn, counts, strict=True)]
            choice = choose(merged or None, rows_now, self._costs(part, max(worn, key=len)))
            self._merge(part, worn[0] if choice.merged else ())
            if not choice.by_rows:
                return nullcontext()
        hanging = self._hanging(part, tuple(dict.fromkeys(one for one in worn if one)))
        return hanging.rack.on([hanging.places[one] if one else None for one in worn])

    def rest(self) -> None:
        """Take everything off and keep nothing ready, so that the models have their own weights and no memory more."""
        for part, closet in self._closets.items():
            self._merge(part, ())
            closet.racks.clear()

    def _closet(self, part: nn.Module) -> Closet:
        return self._closets.setdefault(part, Closet())

    def _worn(self, parts: Mapping[str, nn.Module], name: str, networks: Networks) -> Wearing:
        """Return what of `networks` acts on a part."""
        fits = ((self._fit(parts, name, network), strength) for network, strength in networks)
        return tuple((fit, strength) for fit, strength in fits if fit is not None and strength)

    def _fit(self, parts: Mapping[str, nn.Module], name: str, network: LoadedNetwork) -> Fitted | None:
        fits = self._closet(parts[name]).fits
        if network not in fits:
            fit = fitted(network.network, parts)
            if network.blocks:
                fit = weighed(fit, parts, network.blocks)
            for other, part in parts.items():
                self._closet(part).fits[network] = fit.parts.get(other)
        return fits[network]

    def _costs(self, part: nn.Module, wearing: Wearing) -> Costs:
        """Return what it costs that a part wears this."""
        closet = self._closet(part)
        closet.weights = closet.weights or sum(
            math.prod(weight_shape(layer)) for layer in part.modules() if has_weight(layer)
        )
        return costs_of(len({name for fit, _ in wearing for name in fit.pieces}), closet.weights)

    def _hanging(self, part: nn.Module, wanted: Sequence[Wearing]) -> Hanging:
        """Return a rack that has all that is wanted, one of those at hand or a new one.

        What hangs there too stays for as long as there is room. Raises OutOfMemory where several would not fit even
        alone: fewer rows may then be tried.
        """
        racks = self._closet(part).racks
        found = next((one for one in racks if all(wearing in one.places for wearing in wanted)), None)
        if found is None:
            needed, room = sum(bytes_worn(part, wearing) for wearing in wanted), self._room()
            racks[:] = [one for one in racks if not one.places.keys() <= set(wanted)]
            while racks and sum(one.bytes for one in racks) + needed > room:
                del racks[0]
            if needed > room and len(wanted) > 1:
                raise OutOfMemory(needed, room, "ask for pictures with different networks one after the other")
            places = {wearing: place for place, wearing in enumerate(wanted)}
            found = Hanging(Rack(part, wanted), places, needed)
        else:
            racks.remove(found)
        racks.append(found)
        return found

    def _merge(self, part: nn.Module, wearing: Wearing) -> None:
        """Let a part wear this, merged, and nothing else."""
        closet = self._closet(part)
        if closet.merged == wearing:
            return
        if closet.take_off is not None:
            closet.take_off()
            closet.merged, closet.take_off = (), None
        if wearing:
            closet.take_off = put_on(part, wearing)
            closet.merged = wearing
