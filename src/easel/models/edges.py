"""What convolutions see beyond a picture's edge: nothing, as they were trained, or the opposite edge.

Knows convolutions; does not know who wants their edges to meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.nn import Conv2d
from torch.nn import functional as F


class Wrap:
    """A hook that pads the input of a convolution from its opposite edges, in place of the convolution's own zeros.

    pad: columns on either side and rows above and below. trailing: the zeros that a layer before has laid on the right
    and below, to be replaced.
    """

    def __init__(self, pad: tuple[int, int], trailing: tuple[int, int] = (0, 0)) -> None:
        self.pad = pad
        self.trailing = trailing

    def __call__(self, conv: Conv2d, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        x: Tensor = inputs[0]
        (columns, rows), (right, below) = self.pad, self.trailing
        x = x[..., : x.shape[-2] - below, : x.shape[-1] - right]
        return (F.pad(x, (columns, columns + right, rows, rows + below), mode="circular"), *inputs[1:])


@contextmanager
def wrapped(conv: Conv2d, axes: str, *, trailing: int = 0) -> Iterator[None]:
    """Let a convolution see across the edges in `axes`, of "x" and "y", for as long as the context lasts.

    trailing: how many columns on the right and rows below the layer before it fills with zeros.
    """
    before = conv.padding
    rows, columns = before if isinstance(before, tuple) else (0, 0)
    x, y = "x" in axes, "y" in axes
    hook = Wrap((columns * x, rows * y), (trailing * x, trailing * y))
    handle = conv.register_forward_pre_hook(hook)
    conv.padding = (rows * (not y), columns * (not x))
    try:
        yield
    finally:
        conv.padding = before
        handle.remove()


def wrapped_axes(conv: Conv2d) -> str:
    """Return the axes in which a convolution now sees across the edges, of "x" and "y"."""
    hooks = [hook for hook in conv._forward_pre_hooks.values() if isinstance(hook, Wrap)]
    return "".join(axis for place, axis in enumerate("xy") if any(hook.pad[place] for hook in hooks))
