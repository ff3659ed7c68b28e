"""What merging and rows need of one layer: its weight, and a forward with another.

Knows torch's layers and those that keep their weight in few bits; knows no networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from easel.models.files.packed_layers import Keeping, packed_of, unpacked_weight


def is_packed(layer: nn.Module) -> bool:
    """Return whether a layer keeps its weight in few bits, so that no other can be put in its place."""
    return isinstance(layer, Keeping)


def has_weight(layer: nn.Module) -> bool:
    """Return whether a module is a layer with a weight of its own."""
    return is_packed(layer) or isinstance(layer._parameters.get("weight"), Tensor)


def weight_shape(layer: nn.Module) -> tuple[int, ...]:
    """Return the shape of a layer's weight."""
    return layer.packing[1] if isinstance(layer, Keeping) else tuple(cast(Any, layer).weight.shape)


def weight_of(layer: nn.Module) -> Tensor:
    """Return a layer's weight in full numbers."""
    return unpacked_weight(layer)


def bias_of(layer: nn.Module) -> Tensor | None:
    """Return a layer's bias, None where it has none."""
    return getattr(layer, "bias", None)


def home_of(layer: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Return where a layer's weight is and in which format its forwards compute."""
    if isinstance(layer, Keeping):
        return packed_of(layer).device, layer.numbers
    weight = weight_of(layer)
    return weight.device, weight.dtype


def put(layer: nn.Module, weight: Tensor | None, bias: Tensor | None) -> Callable[[], None]:
    """Give a layer another weight and bias, None to leave it; return what gives it back its own, bit for bit.

    A layer that has moved to another device meanwhile gets its own there. A layer without a bias may be given one.
    """
    parameters: dict[str, Any] = layer._parameters
    kept: list[tuple[nn.Parameter, Tensor]] = []
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and parameters.get(name) is not None:
            kept.append((parameters[name], parameters[name].data))
            parameters[name].data = value
    bare = bias is not None and parameters.get("bias") is None
    if bias is not None and bare:
        parameters["bias"] = nn.Parameter(bias, requires_grad=False)

    def give_back() -> None:
        for parameter, own in kept:
            parameter.data = own if own.device == parameter.device else own.to(parameter.device)
        if bare:
            parameters["bias"] = None

    return give_back


def through(layer: nn.Module, x: Any, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """Return what a layer makes of `x` with another weight and bias, without its hooks."""
    if isinstance(layer, Keeping):
        return through_full(layer, x, weight_of(layer) if weight is None else weight, bias)
    give_back = put(layer, weight, bias)
    try:
        return layer.forward(x)
    finally:
        give_back()


def through_full(layer: nn.Module, x: Any, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return what a layer that keeps a packed weight makes of `x` with a full one in its place."""
    bias = bias_of(layer) if bias is None else bias
    if isinstance(layer, nn.Conv2d):
        return layer._conv_forward(x, weight, bias)
    if isinstance(layer, nn.Embedding):
        return F.embedding(x, weight)
    return F.linear(x, weight, bias)


@contextmanager
def lasting() -> Iterator[None]:
    """Make tensors that outlive a forward: ordinary ones, without gradients."""
    with torch.inference_mode(False), torch.no_grad():
        yield
