"""Networks worn by single rows of a batch, so that requests with different ones share a forward.

A low-rank change adds two thin products to its rows: the factors of all networks in a rack stand stacked, one batched
product for all rows of a layer. Other kinds go through the layer again with a weight of their own. Rows without any are
left as the layer made them, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast
from weakref import ref

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from easel.adapters.networks.fitting import Wearing
from easel.adapters.networks.layers import home_of, lasting, through, weight_shape
from easel.adapters.networks.lowrank import LowRank
from easel.adapters.networks.worn import Worn, changed_bias, changed_weight, worn_by_layer
from easel.core.errors import Unsupported

Index = Sequence[int | None]  # for each row which wearing of a rack it has, None for none


@dataclass(slots=True)
class Hung:
    """What hangs ready for one layer: stacked factors, and whole weights for what is no product of two.

    place: of a wearing in the stacks. down: (stacked, rank, in, ...); up: (stacked, out, rank), in the layer's format.
    whole: weight and bias by wearing.
    """

    place: dict[int, int] = field(default_factory=dict[int, int])
    down: Tensor | None = None
    up: Tensor | None = None
    whole: dict[int, tuple[Tensor | None, Tensor | None]] = field(
        default_factory=dict[int, tuple[Tensor | None, Tensor | None]]
    )


class Rack:
    """Wearings made ready for one part of a model, to be worn by rows as often as wanted.

    layers: to do so for these modules alone. Making one costs a cast of the factors; wearing it costs nothing but the
    added products. It holds for the part's number format at its making, and does not keep the part alive.
    """

    def __init__(self, part: nn.Module, wearings: Sequence[Wearing], layers: Collection[str] | None = None) -> None:
        self._part = ref(part)
        by_layer: dict[str, dict[int, Worn]] = {}
        for number, wearing in enumerate(wearings):
            for name, worn in worn_by_layer(wearing).items():
                if layers is None or name in layers:
                    by_layer.setdefault(name, {})[number] = worn
        with lasting():
            self.hung = {name: hung(part.get_submodule(name), worn) for name, worn in by_layer.items()}

    @contextmanager
    def on(self, index: Index) -> Iterator[None]:
        """Let row i of every forward of the part wear the wearing `index[i]` for as long as the context lasts.

        A forward may have a multiple of these rows, as clips have: then each is said of as many rows in a block.
        """
        part = self._part()
        assert part is not None, "whoever forwards a part holds it"
        with ExitStack() as stack:
            for name, ready in self.hung.items():
                known = ready.place.keys() | ready.whole.keys()
                if any(number in known for number in index):
                    layer = part.get_submodule(name)
                    handle = layer.register_forward_hook(partial(add, name, ready, tuple(index)))
                    stack.callback(handle.remove)
            yield


@contextmanager
def worn_by_rows(part: nn.Module, rows: Sequence[Wearing]) -> Iterator[None]:
    """Let row i of every forward of a part wear `rows[i]` for as long as the context lasts; () for nothing.

    Makes a rack for it; keep a Rack where the same networks are worn again and again.
    """
    distinct: dict[tuple[tuple[int, float], ...], int] = {}
    wearings: list[Wearing] = []
    index: list[int | None] = []
    for row in rows:
        key = tuple((id(fitted), strength) for fitted, strength in row)
        if key and key not in distinct:
            distinct[key] = len(wearings)
            wearings.append(row)
        index.append(distinct[key] if key else None)
    with Rack(part, wearings).on(index):
        yield


def hung(layer: nn.Module, by_wearing: dict[int, Worn]) -> Hung:
    """Return what a layer needs for each wearing."""
    ready = Hung()
    pairs: list[tuple[Tensor, Tensor]] = []
    for number, worn in by_wearing.items():
        if low := products(layer, worn):
            ready.place[number] = len(pairs)
            pairs.append(joined(layer, low))
        else:
            ready.whole[number] = changed_weight(layer, worn), changed_bias(layer, worn)
    if pairs:
        ready.down, ready.up = stacked(pairs)
    return ready


def products(layer: nn.Module, worn: Worn) -> list[tuple[LowRank, float]]:
    """Return the low-rank changes that a layer wears, each at its strength; none where it wears anything else."""
    changes = [(piece.change, strength) for piece, strength in worn if piece.bias is None]
    low = [(change, strength) for change, strength in changes if isinstance(change, LowRank)]
    return low if len(low) == len(worn) and is_plain(layer) else []


def bytes_worn(part: nn.Module, wearing: Wearing) -> int:
    """Return how many bytes a wearing takes in a rack for a part: thin factors, or whole weights."""
    total = 0
    for name, worn in worn_by_layer(wearing).items():
        layer = part.get_submodule(name)
        low = products(layer, worn)
        numbers = sum(change.down.numel() + change.up.numel() for change, _ in low)
        total += (numbers or math.prod(weight_shape(layer))) * home_of(layer)[1].itemsize
    return total


def is_plain(layer: nn.Module) -> bool:
    """Return whether a product of two thin layers can stand beside a layer."""
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)


def joined(layer: nn.Module, changes: Sequence[tuple[LowRank, float]]) -> tuple[Tensor, Tensor]:
    """Return the factors of several low-rank changes as one: (ranks, in, ...) and (out, ranks)."""
    device, dtype = home_of(layer)
    inner = weight_shape(layer)[1:]
    downs = [change.down.to(device, dtype).reshape(-1, *inner) for change, _ in changes]
    ups = [change.up.to(device, torch.float32) * (change.scale * strength) for change, strength in changes]
    return torch.cat(downs), torch.cat(ups, 1).to(dtype)


def stacked(pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return factors stacked, filled with zeros to the largest rank: (n, rank, in, ...) and (n, out, rank)."""
    rank = max(down.shape[0] for down, _ in pairs)
    first_down, first_up = pairs[0]
    downs = first_down.new_zeros(len(pairs), rank, *first_down.shape[1:])
    ups = first_up.new_zeros(len(pairs), first_up.shape[0], rank)
    for place, (down, up) in enumerate(pairs):
        downs[place, : len(down)], ups[place, :, : up.shape[1]] = down, up
    return downs, ups


def add(name: str, ready: Hung, index: Index, layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    """Return a layer's output with what its rows wear, a forward hook's work. Raises Unsupported for other rows."""
    x: Tensor = inputs[0]
    block, rest = divmod(len(x), len(index))
    if rest or not block:
        raise Unsupported(f"{name} sees {len(x)} rows where {len(index)} wear networks each; merge them instead.")
    of_row = [number for number in index for _ in range(block)]
    for number, (weight, bias) in ready.whole.items():
        if rows := [row for row, worn in enumerate(of_row) if worn == number]:
            there = [None if own is None else own.to(x.device) for own in (weight, bias)]
            output[span(rows)] = through(layer, x[span(rows)], *there)
    if rows := [row for row, worn in enumerate(of_row) if worn in ready.place]:
        places = [ready.place[cast(int, of_row[row])] for row in rows]
        adding = add_convolved if isinstance(layer, nn.Conv2d) else add_products
        output = adding(layer, ready, x, output, rows, places)
    return output


def span(rows: Sequence[int]) -> Any:
    """Return what takes these rows of a tensor, as a view where they lie together."""
    first, last = rows[0], rows[-1]
    return slice(first, last + 1) if last - first + 1 == len(rows) else list(rows)


def add_products(
    layer: nn.Module, ready: Hung, x: Tensor, output: Tensor, rows: list[int], places: list[int]
) -> Tensor:
    """Return a linear layer's output, (n, ..., out), with the products of `rows`, all in one batched product."""
    assert ready.down is not None and ready.up is not None
    chosen = torch.tensor(places, device=ready.down.device)
    down, up = ready.down[chosen].to(x.device), ready.up[chosen].to(x.device)
    there = span(rows)
    inputs = x[there].reshape(len(rows), -1, x.shape[-1])
    flat = output.reshape(len(output), -1, output.shape[-1])
    flat[there] = torch.baddbmm(flat[there], torch.bmm(inputs, down.mT), up.mT)
    return flat.reshape(output.shape)


def add_convolved(
    layer: nn.Module, ready: Hung, x: Tensor, output: Tensor, rows: list[int], places: list[int]
) -> Tensor:
    """Return a convolution's output, (n, out, height, width), with what `rows` wear, each wearing at once."""
    assert ready.down is not None and ready.up is not None
    conv = cast(nn.Conv2d, layer)
    for place in dict.fromkeys(places):
        there = span([row for row, own in zip(rows, places, strict=True) if own == place])
        thin = conv._conv_forward(x[there], ready.down[place].to(x.device), None)
        output[there] += F.conv2d(thin, ready.up[place].to(x.device)[..., None, None])
    return output
