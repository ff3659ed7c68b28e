"""What one layer is with all that it wears: the arithmetic that merging and rows share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from easel.adapters.networks.fitting import Wearing
from easel.adapters.networks.layers import bias_of, home_of, is_packed, weight_of, weight_shape
from easel.adapters.networks.reading import Piece

Worn = Sequence[tuple[Piece, float]]  # the pieces that one layer wears, in order, each at its strength


def worn_by_layer(wearing: Wearing) -> dict[str, list[tuple[Piece, float]]]:
    """Return what each module wears, in order; what has no strength is not worn."""
    layers: dict[str, list[tuple[Piece, float]]] = {}
    for fitted, strength in wearing:
        for name, pieces in fitted.pieces.items():
            for piece in pieces:
                if strength * piece.factor:
                    layers.setdefault(name, []).append((piece, strength * piece.factor))
    return layers


def changed_weight(layer: nn.Module, worn: Worn) -> Tensor | None:
    """Return a layer's weight with all that it wears, in its own format, None where no weight changes.

    All arithmetic is in float32.
    """
    pieces = [(piece.change, strength) for piece, strength in worn if piece.change is not None]
    if not pieces:
        return None
    own = weight_of(layer)
    weight = own.float()
    for change, strength in pieces:
        weight = change.changed(weight, strength)
    return weight.to(own.dtype) if is_packed(layer) else torch.empty_like(own).copy_(weight)


def changed_bias(layer: nn.Module, worn: Worn) -> Tensor | None:
    """Return a layer's bias with all that it wears, in its own format, None where no bias changes."""
    pieces = [(piece.bias, strength) for piece, strength in worn if piece.bias is not None]
    if not pieces:
        return None
    device, dtype = home_of(layer)
    own = bias_of(layer)
    bias = torch.zeros(weight_shape(layer)[0], device=device) if own is None else own.float()
    for change, strength in pieces:
        bias = change.changed(bias, strength)
    return bias.to(dtype if own is None else own.dtype)
