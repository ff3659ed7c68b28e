"""Seamless tiling: pictures whose opposite edges meet, because every convolution sees across them.

Attention and normalisation do not know where a picture's edges are, so convolutions are all there is to change. Knows
U-Nets and autoencoders by their convolutions; does not know requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from torch.nn import Conv2d, Module

from easel.core.errors import Unsupported
from easel.models.edges import wrapped


@dataclass(frozen=True, slots=True)
class Seamless:
    """Edges that meet in x, in y or in both.

    Exact where the sides are whole multiples of the model's total stride (64 pixels for Stable Diffusion 1 and 2);
    otherwise its own halving and doubling rounds at the edge.
    """

    axes: Literal["x", "y", "xy"]

    @contextmanager
    def on(self, model: Any) -> Iterator[None]:
        """Let `model` wear this for as long as the context lasts. Raises Unsupported for one without a U-Net."""
        if "unet" not in model.parts:
            raise Unsupported(f"edges that meet need a U-Net, which {model.name} has not; leave out seamless.")
        with ExitStack() as stack:
            for part in model.parts.values():
                for conv, trailing in convolutions(part):
                    stack.enter_context(wrapped(conv, self.axes, trailing=trailing))
            yield


def convolutions(part: Module) -> Iterator[tuple[Conv2d, int]]:
    """Yield the convolutions of a part that look beyond the edge, and the zeros laid before each, 0 or 1.

    The autoencoder's halving layers lay one column and one row of zeros beside the picture themselves.
    """
    from diffusers.models.downsampling import Downsample2D

    lays_zeros = {
        id(layer.conv): 1
        for layer in part.modules()
        if isinstance(layer, Downsample2D) and layer.use_conv and layer.padding == 0
    }
    for layer in part.modules():
        if isinstance(layer, Conv2d) and (any(layer.padding) or id(layer) in lays_zeros):
            yield layer, lays_zeros.get(id(layer), 0)
