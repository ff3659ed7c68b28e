"""Starting noise between two seeds, and noise that keeps the composition a seed has at another size.

The rules are A1111's (its `rng.py`), so that the numbers are; this file knows no request and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from easel.sampling.noise import PictureNoise

if TYPE_CHECKING:
    from torch import Tensor

NEARLY_ALIKE = 0.9995  # mean cosine above which A1111 mixes in a straight line
NO_ANGLE = 1e-6  # sine below which two columns lie on one line and have no arc between them


def starting_noise(
    pictures: PictureNoise,
    *,
    seeds: Sequence[int] = (),
    strength: float = 0.0,
    cells_from: tuple[int, int] | None = None,
) -> Tensor:
    """Return the first noise of some pictures, (n, channels, height, width), drawn from `pictures` once.

    seeds, strength: the variation's seed of each picture, and how far towards it, 0..1; at 0 they are not asked.
    cells_from: (height, width) in latent cells of the size whose composition is kept; it is drawn at that size and laid
    in the middle of the noise at the size asked for.
    """
    import torch

    full = pictures.draw()
    shape = (pictures.shape[0], *(cells_from or pictures.shape[1:]))
    resized = shape != pictures.shape
    if not (strength or resized):
        return full
    first = PictureNoise(pictures.seeds, shape, pictures.source, device=pictures.device).draw() if resized else full
    if strength:
        other = PictureNoise(seeds, shape, pictures.source, device=pictures.device).draw()
        first = torch.stack([slerp(strength, low, high) for low, high in zip(first, other, strict=True)])
    return centred(first, full) if resized else first


def slerp(share: float, low: Tensor, high: Tensor) -> Tensor:
    """Return the noise at `share` of the arc from `low` to `high`, each (channels, height, width), float32.

    Angles are those between columns, the height being the vector, as A1111 has it; so is the straight line between
    noises that are nearly alike, whose ends are exchanged. Columns on one line, where A1111 gets no number, are mixed.
    """
    import torch

    dot = (of_length_one(low) * of_length_one(high)).sum(1).clamp(-1, 1)
    if float(dot.mean()) > NEARLY_ALIKE:
        return low * share + high * (1 - share)
    omega = torch.acos(dot)
    so = torch.sin(omega)
    flat = so.abs() < NO_ANGLE
    so = so.where(~flat, 1.0)
    from_low = (torch.sin((1.0 - share) * omega) / so).where(~flat, 1 - share).unsqueeze(1)
    from_high = (torch.sin(share * omega) / so).where(~flat, share).unsqueeze(1)
    return from_low * low + from_high * high


def of_length_one(noise: Tensor) -> Tensor:
    """Return noise (channels, height, width) with each column divided by its length."""
    import torch

    length = cast("Tensor", torch.linalg.vector_norm(noise, dim=1, keepdim=True))  # pyright: ignore[reportUnknownMemberType]
    return noise / length


def centred(small: Tensor, full: Tensor) -> Tensor:
    """Return `full` (..., height, width) with `small` laid over its middle; what overhangs is cut off."""
    laid = full.clone()
    places = [placed(small.shape[axis], full.shape[axis]) for axis in (-2, -1)]
    (y_from, y_to), (x_from, x_to) = places
    laid[..., y_to, x_to] = small[..., y_from, x_from]
    return laid


def placed(small: int, full: int) -> tuple[slice, slice]:
    """Return which part of a side of length `small` lands where on one of length `full`, A1111's roundings."""
    offset = (full - small) // 2
    length = small if offset >= 0 else small + 2 * offset
    return slice(max(-offset, 0), max(-offset, 0) + length), slice(max(offset, 0), max(offset, 0) + length)
