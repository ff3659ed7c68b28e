"""What leads one row: a hint made ready once, how strongly at each of a model's blocks, and where.

Knows numbers and their shapes; knows no control model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from easel.core.errors import BadValue
from easel.core.work import Act
from easel.models.gpu.inputs import layout_of

FADING = 0.825  # by which a block counts less than the next further in, where a hint leads softly
STEPS = 12  # of that from the innermost to the outermost block
FEATURES = (0.25, 0.62, 0.825, 1.0)  # the same of a T2I-Adapter


@dataclass(frozen=True, slots=True, eq=False)
class Hint:
    """A picture that leads, at the size of the picture drawn.

    pixels: (1, 3, height, width) float32 in 0..1. hole: (1, 1, height, width), 1 where it shows nothing, None where it
    is whole. region: (1, 1, height, width) in 0..1, where it leads; None for everywhere. kind: for what a union takes
    it, "" where that is not told. blocks: factors for each block, the outermost first; () for all alike. soft: whether
    it leads softly. place: the unit's, by which errors name it. alone: whether to share no forward with others.
    """

    pixels: Tensor
    hole: Tensor | None = None
    region: Tensor | None = None
    kind: str = ""
    blocks: tuple[float, ...] = ()
    soft: bool = False
    place: int = 0
    alone: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A hint as its adapter reads it.

    embedded: tensors without the axis of rows, on the device. factors: for each of the numbers that the adapter adds,
    () for all alike. region: as in Hint. mode: which of a union's models reads it.
    """

    embedded: tuple[Tensor, ...]
    factors: tuple[float, ...] = ()
    region: Tensor | None = None
    mode: int = 0


def factors_of(hint: Hint, count: int, soft: Sequence[float] = ()) -> tuple[float, ...]:
    """Return the factors of a hint for `count` blocks, the outermost first; () for all alike.

    Those that were asked for stand in the place of soft ones. soft: of a hint that leads softly; by FADING without.
    Raises BadValue where there are other than `count`.
    """
    if hint.blocks:
        if len(hint.blocks) != count:
            raise BadValue(f"controls[{hint.place}].blocks", f"{len(hint.blocks)} factors", f"{count}, or none")
        return hint.blocks
    if not hint.soft:
        return ()
    return tuple(soft) or tuple(FADING ** (STEPS * (1 - place / max(count - 1, 1))) for place in range(count))


def led_of(acts: Sequence[Act | None]) -> tuple[list[int], list[Act]]:
    """Return the rows that are led, and their acts."""
    return [row for row, act in enumerate(acts) if act is not None], [act for act in acts if act is not None]


def spread(
    samples: Sequence[Tensor], acts: Sequence[Act], rows: Sequence[int], count: int, grid: tuple[int, int] = (0, 0)
) -> list[Tensor]:
    """Return what a control model gives, each (led rows, ...), for all `count` rows: (count, ...), zeros for others.

    Each is multiplied by its act's strength, its factor and its region. grid: rows and columns of samples that are
    tokens, (led rows, tokens, width).
    """
    return [laid(weighed(sample, acts, place, grid), rows, count) for place, sample in enumerate(samples)]


def weighed(sample: Tensor, acts: Sequence[Act], place: int, grid: tuple[int, int]) -> Tensor:
    """Return the number `place` of what a control model gives, multiplied by what each row asks for."""
    amounts = [act.strength * (act.prepared.factors[place] if act.prepared.factors else 1.0) for act in acts]
    regions = any(act.prepared.region is not None for act in acts)
    if not regions and all(amount == 1 for amount in amounts):
        return sample
    tokens = sample.ndim == 3
    weights = torch.tensor(amounts, dtype=torch.float32).view(-1, *[1] * (sample.ndim - 1))
    if regions:
        size = grid if tokens else (sample.shape[-2], sample.shape[-1])
        masks = torch.cat([mask_at(act.prepared.region, size) for act in acts])
        weights = weights * (masks.flatten(2).transpose(1, 2) if tokens else masks)
    return (sample * weights.to(sample.device)).to(sample.dtype)


def mask_at(region: Tensor | None, size: tuple[int, int]) -> Tensor:
    """Return a region (1, 1, height, width) at another size; ones where there is none."""
    if region is None:
        return torch.ones(1, 1, *size)
    return F.interpolate(region, size=size, mode="bilinear", antialias=True)


def laid(sample: Tensor, rows: Sequence[int], count: int) -> Tensor:
    """Return a sample (led rows, ...) for all rows, zeros for those that are not led."""
    if len(rows) == count:
        return sample
    whole = sample.new_zeros((count, *sample.shape[1:]))
    whole = whole.contiguous(memory_format=layout_of(sample))
    whole[torch.tensor(list(rows), device=sample.device)] = sample
    return whole
