"""Which layer of a model gets what of a network's file.

Knows names and shapes; changes nothing. See aliases.py for what a name stands for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn

from easel.adapters.networks.aliases import Place, places_in
from easel.adapters.networks.layers import bias_of, weight_of, weight_shape
from easel.adapters.networks.names import places_of
from easel.adapters.networks.origin import made_for
from easel.adapters.networks.reading import Network, Piece
from easel.core.errors import Mismatch, Unsupported


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A network's pieces for one part of a model, by the names of its modules, in the file's order."""

    name: str
    pieces: Mapping[str, tuple[Piece, ...]]

    def weighted(self, factor: Callable[[str], float]) -> Fitted:
        """Return this with each module's pieces at `factor(its name)` times their strength."""
        pieces = {
            name: tuple(replace(piece, factor=piece.factor * factor(name)) for piece in here)
            for name, here in self.pieces.items()
        }
        return replace(self, pieces=pieces)


Wearing = Sequence[tuple[Fitted, float]]  # what is worn, in this order, each at its strength


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What a network is to one model: its pieces by part, and the layers of the file that have no place there."""

    parts: Mapping[str, Fitted]
    unused: tuple[str, ...]


def fitted(network: Network, parts: Mapping[str, nn.Module]) -> Fit:
    """Return which layer of which part gets what. parts: as diffusers names them: "unet", "text_encoder", ...

    Raises Mismatch where nothing fits or a shape does not, saying for which family the file is made; Unsupported for
    a change that cannot be split over the layers of which the file makes one.
    """
    tables = {name: places_in(part) for name, part in parts.items()}
    found: dict[str, dict[str, list[Piece]]] = defaultdict(lambda: defaultdict(list))
    unused: list[str] = []
    for piece in network.pieces:
        where = whereabouts(piece.layer, tables)
        if where is None:
            unused.append(piece.layer)
            continue
        part, places = where
        for place in places:
            split = of_place(network, piece, place)
            check(network, split, place.name, parts[part].get_submodule(place.name))
            found[part][place.name].append(split)
    if not found:
        raise Mismatch(f"{network.path}: {origin(network)}; none of its layers is in this model.")
    fitting = {
        part: Fitted(network.name, {name: tuple(pieces) for name, pieces in layers.items()})
        for part, layers in found.items()
    }
    return Fit(fitting, tuple(unused))


def whereabouts(
    layer: str, tables: Mapping[str, Mapping[str, tuple[Place, ...]]]
) -> tuple[str, tuple[Place, ...]] | None:
    """Return the part and the places of a layer of a file, None where this model has none."""
    for candidates, name in places_of(layer):
        for part in candidates:
            if part in tables and (places := tables[part].get(name)) is not None:
                return part, places
    return None


def of_place(network: Network, piece: Piece, place: Place) -> Piece:
    """Return what of a piece is of one place. Raises Unsupported where rows cannot be told apart."""
    if place.spans is None:
        return piece
    change = None if piece.change is None else piece.change.rows(place.spans)
    if piece.change is not None and change is None:
        raise Unsupported(
            f"{network.name}: {piece.layer!r} is {piece.kind} over several layers of this model at once, which"
            " cannot be split; use a file in diffusers' naming."
        )
    bias = None if piece.bias is None else piece.bias.rows(place.spans)
    return replace(piece, change=change, bias=bias)


def check(network: Network, piece: Piece, name: str, layer: nn.Module) -> None:
    """Raise Mismatch unless a piece has the shapes that the layer of that name needs."""
    shape = weight_shape(layer)
    wrong = piece.change is not None and not piece.change.fits(shape)
    if piece.bias is not None:
        own = bias_of(layer)
        wrong = wrong or not piece.bias.fits((shape[0],) if own is None else own.shape)
    if wrong or not weight_of(layer).numel():
        raise Mismatch(
            f"{network.path}: {origin(network)}; its {piece.layer!r} does not fit this model's {name}, {shape}."
        )


def origin(network: Network) -> str:
    """Return for what a network is made, in words for a message."""
    family = made_for(network.shapes, network.metadata)
    return f"made for {family}" if family else "made for another kind of model"
