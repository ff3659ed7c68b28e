"""What the parts of models wear: networks merged where all rows want the same for long enough, else worn by rows.

Keeps for each part what fits it and what is merged into it now, for as long as the part lives. Knows modules and
networks; knows no requests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from torch import nn

from easel.adapters.choice import choose
from easel.adapters.networks.fitting import Fitted, fitted
from easel.adapters.networks.merging import put_on
from easel.adapters.networks.rows import Rack
from easel.adapters.networks.weighing import weighed
from easel.core.work import Networks
from easel.engine.loaded import LoadedNetwork

RACKS = 4  # kept of each part: sets of networks that rows wore last
FITS = 64  # kept of each part

Wearing = tuple[tuple[Fitted, float], ...]


@dataclass(slots=True)
class Closet:
    """What belongs to one part of a model.

    fits: what of each network fits it, None for nothing. merged: what it wears merged; take_off: what ends that.
    """

    fits: OrderedDict[LoadedNetwork, Fitted | None] = field(default_factory=OrderedDict[LoadedNetwork, Fitted | None])
    racks: OrderedDict[Hashable, Rack] = field(default_factory=OrderedDict[Hashable, Rack])
    merged: Wearing = ()
    take_off: Callable[[], None] | None = None


class Wardrobe:
    """One instance per engine, used by its thread alone."""

    def __init__(self) -> None:
        self._closets: WeakKeyDictionary[nn.Module, Closet] = WeakKeyDictionary()

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
        Raises Mismatch for a network of which nothing fits the model.
        """
        part = parts[name]
        worn = [self._worn(parts, name, networks) for networks in rows]
        closet = self._closet(part)
        if not any(worn):
            self._merge(part, ())
            return nullcontext()
        counts = left or (1,) * len(worn)
        if may_merge:
            choice = choose(closet.merged or None, [(one or None, n) for one, n in zip(worn, counts, strict=True)])
            self._merge(part, worn[0] if choice.merged else ())
            if not choice.by_rows:
                return nullcontext()
        distinct = tuple(dict.fromkeys(one for one in worn if one))
        return self._rack(part, distinct).on([distinct.index(one) if one else None for one in worn])

    def _closet(self, part: nn.Module) -> Closet:
        return self._closets.setdefault(part, Closet())

    def _worn(self, parts: Mapping[str, nn.Module], name: str, networks: Networks) -> Wearing:
        """Return what of `networks` acts on a part."""
        fits = ((self._fit(parts, name, network), strength) for network, strength in networks)
        return tuple((fit, strength) for fit, strength in fits if fit is not None and strength)

    def _fit(self, parts: Mapping[str, nn.Module], name: str, network: LoadedNetwork) -> Fitted | None:
        closet = self._closet(parts[name])
        if network not in closet.fits:
            fit = fitted(network.network, parts)
            if network.blocks:
                fit = weighed(fit, parts, network.blocks)
            for other, part in parts.items():
                kept = self._closet(part).fits
                kept[network] = fit.parts.get(other)
                if len(kept) > FITS:
                    kept.popitem(last=False)
        return closet.fits[network]

    def _rack(self, part: nn.Module, wearings: tuple[Wearing, ...]) -> Rack:
        racks = self._closet(part).racks
        if wearings not in racks:
            racks[wearings] = Rack(part, wearings)
            if len(racks) > RACKS:
                racks.popitem(last=False)
        racks.move_to_end(wearings)
        return racks[wearings]

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
