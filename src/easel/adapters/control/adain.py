"""A reference's look without its shapes: what a U-Net's blocks give is brought to the reference's mean and spread.

Adaptive instance normalisation, Huang and Belongie 2017, arXiv:1703.06868, as A1111's "reference_adain" has it. Knows
U-Nets' blocks; does not know who looks at references.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

Look = tuple[Tensor, Tensor]  # mean and standard deviation of each channel, (rows, channels, 1, 1)
LEAST = 1e-6  # of a variance


def stages(unet: Any) -> list[tuple[nn.Module, float]]:
    """Return the layers that are led, each with the strength from which it is: the middle always, the outermost at 1.

    A layer is a residual block with the attention behind it; those of the first level on the way down are left out.
    """
    down = [layer for block in unet.down_blocks[1:] for layer in layers_of(block)]
    up = [layer for block in unet.up_blocks for layer in layers_of(block)]
    found: list[tuple[nn.Module, float]] = [(unet.mid_block, 0.0)] if unet.mid_block is not None else []
    found += [(layer, 1 - place / len(down)) for place, layer in enumerate(down)]
    return found + [(layer, place / len(up)) for place, layer in enumerate(up)]


def layers_of(block: Any) -> list[nn.Module]:
    """Return the modules of a block that give what its layers give."""
    return list(getattr(block, "attentions", ())) or list(block.resnets)


def given_by(output: Any) -> Tensor:
    """Return what a layer gives, as a tensor."""
    return output[0] if isinstance(output, tuple) else output


def look_of(x: Tensor) -> Look:
    """Return the mean and the standard deviation of each channel of pictures (n, channels, height, width)."""
    variance, mean = torch.var_mean(x.float(), dim=(2, 3), keepdim=True, correction=0)
    return mean, variance.clamp(min=LEAST).sqrt()


def noting(place: int, looks: dict[int, Look]) -> Callable[..., None]:
    """Return the hook by which a layer's look is noted."""

    def note(layer: nn.Module, given: Any, output: Any) -> None:
        looks[place] = look_of(given_by(output))

    return note


def bringing(look: Look, led: Sequence[int], keeping: Tensor) -> Callable[..., Any]:
    """Return the hook by which rows `led` of what a layer gives are brought to a look. keeping: (led, 1, 1, 1)."""

    def bring(layer: nn.Module, given: Any, output: Any) -> Any:
        x = given_by(output).clone()
        rows = torch.tensor(list(led), device=x.device)
        own = x[rows].float()
        mean, spread = look_of(own)
        brought = (own - mean) / spread * look[1] + look[0]
        x[rows] = torch.lerp(brought, own, keeping.to(own.device)).to(x.dtype)
        return (x, *output[1:]) if isinstance(output, tuple) else x

    return bring
