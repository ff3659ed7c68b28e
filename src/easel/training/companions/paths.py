"""How what stands before a plain ground moves in a clip: its path, measured in the pixels alone.

Knows neither models nor words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

APART = 0.35  # difference from the ground in a channel of -1..1, from which a pixel is the thing's
SMOOTH = 0.04  # most that a path may swerve between frames, in fractions of the picture
MOVES = 0.05  # least that a thing goes, in fractions of the picture or of its own size, to have moved


def jump(clip: torch.Tensor) -> float:
    """The mean squared difference of neighbouring frames of a clip (F, 3, H, W) in -1..1."""
    return float((clip[1:] - clip[:-1]).square().mean())


def ground_of(clip: torch.Tensor) -> torch.Tensor:
    """The colour (3,) that is most usual along the border of a clip's (F, 3, H, W) frames."""
    rim = max(1, clip.shape[-1] // 16)
    sides = (clip[..., :rim, :], clip[..., -rim:, :], clip[..., :rim], clip[..., -rim:])
    return torch.cat([side.transpose(0, 1).flatten(1) for side in sides], 1).median(1).values


def path_of(clip: torch.Tensor) -> torch.Tensor:
    """The thing's path (F, 3) in a clip (F, 3, H, W): its centre's x and y in 0..1, and the logarithm of its size.

    A frame that shows nothing has the picture's middle and the size of one pixel.
    """
    high, wide = clip.shape[-2:]
    thing = ((clip - ground_of(clip)[:, None, None]).abs().amax(1) > APART).double()
    count = thing.sum((1, 2))
    x = (thing.sum(1) * (torch.arange(wide, device=clip.device) + 0.5)).sum(1) / wide
    y = (thing.sum(2) * (torch.arange(high, device=clip.device) + 0.5)).sum(1) / high
    seen, shared = count > 0, count.clamp_min(1)
    middle = torch.full_like(x, 0.5)
    places = [torch.where(seen, total / shared, middle) for total in (x, y)]
    return torch.stack([*places, (shared / (high * wide)).log() / 2], 1).float()


def swerve(path: torch.Tensor) -> float:
    """The root mean square of how far a path (F, 3) leaves its own course at a frame; 0 where there are but two."""
    bends = path[2:, :2] - 2 * path[1:-1, :2] + path[:-2, :2]
    return float(bends.square().sum(1).mean().sqrt()) if len(bends) else 0.0


def going(path: torch.Tensor) -> tuple[float, float, float]:
    """How far a path (F, 3) goes in all to the right, down and to greater sizes, by the line nearest to it."""
    time = torch.linspace(-0.5, 0.5, len(path), dtype=path.dtype, device=path.device)[:, None]
    right, down, larger = ((path - path.mean(0)) * time).sum(0) / time.square().sum()
    return float(right), float(down), float(larger)


def moves(path: torch.Tensor) -> bool:
    """Whether a path (F, 3) leaves the place or the size it has in the mean by more than half of MOVES."""
    return float((path - path.mean(0)).abs().max()) > MOVES / 2


def follows(path: torch.Tensor, heading: Sequence[float]) -> bool:
    """Whether a path (F, 3) goes above all where `heading` says: to the right, down or to greater sizes, or back.

    A heading has one number that is not 0. By chance a sixth of all paths that move would.
    """
    axis = max(range(3), key=lambda n: abs(heading[n]))
    gone = going(path)
    return gone[axis] * math.copysign(1, heading[axis]) > MOVES and axis == max(range(3), key=lambda n: abs(gone[n]))
