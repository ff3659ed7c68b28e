"""Decks as pictures: sprites placed by affine sampling, grounds, styles and faults, at any side on any device.

Knows neither words nor where scenes come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from easel.training.world.deck import NOTHING, Deck
from easel.training.world.scenes import DIRECTIONS, MOST, TINTS
from easel.training.world.styles import colourise, styled

SIDES = (256, 128, 64)  # of sprites that are kept, the largest first


@dataclass(frozen=True)
class Atlas:
    """Sprites (N, 4, side, side) uint8, premultiplied, at each of SIDES, so that none is made much smaller."""

    levels: tuple[torch.Tensor, ...]

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.levels[0].device

    def __len__(self) -> int:
        return len(self.levels[0])


def make_atlas(sprites: torch.Tensor, device: str | torch.device = "cpu") -> Atlas:
    """An atlas of sprites (N, 4, 128, 128) uint8 on a device."""

    def at(side: int) -> torch.Tensor:
        if side == sprites.shape[-1]:
            return sprites.to(device)
        larger = side > sprites.shape[-1]
        parts = []
        for part in sprites.to(device).split(64):
            x = part.float()
            x = F.interpolate(x, size=side, mode="bicubic") if larger else F.interpolate(x, size=side, mode="area")
            alpha = x[:, 3:].clamp(0, 255)
            parts.append(torch.cat([x[:, :3].clamp_min(0).minimum(alpha), alpha], 1).round().to(torch.uint8))
        return torch.cat(parts)

    return Atlas(tuple(at(side) for side in SIDES))


def level_of(pixels: torch.Tensor) -> torch.Tensor:
    """The number of the smallest level with at least so many pixels."""
    return torch.stack([pixels <= side for side in SIDES]).long().sum(0).sub(1).clamp_min(0)


def turns(angle: torch.Tensor) -> torch.Tensor:
    """Matrices (B, 2, 2) that lead from a place in a picture back to where it was before a turn by `angle` (B,)."""
    cosine, sine = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cosine, sine], -1), torch.stack([-sine, cosine], -1)], -2)


def placed(
    atlas: Atlas, deck: Deck, slot: int, size: tuple[int, int], angle: torch.Tensor | None = None
) -> torch.Tensor:
    """The things in one slot on a clear picture, premultiplied (B, 4, height, width) in 0..1.

    angle: radians (B,) by which they are turned clockwise about their centres.
    """
    height, width = size
    short = min(size)
    out = torch.zeros(len(deck), 4, height, width, device=atlas.device)
    box, subject = deck.box[:, slot], deck.subject[:, slot].long()
    level = torch.where(subject == NOTHING, NOTHING, level_of(box[:, 2] * short))
    shades = torch.tensor([(0.0, 0.0, 0.0), *TINTS.values()], device=atlas.device)
    for number, sprites in enumerate(atlas.levels):
        rows = (level == number).nonzero().flatten()
        if not len(rows):
            continue
        x, y, scale, flip = box[rows].unbind(-1)
        wide, high = width / short / scale, height / short / scale
        theta = torch.zeros(len(rows), 2, 3, device=atlas.device)
        # the shorter side is the measure, and the picture's middle the middle of both
        theta[:, 0, 0], theta[:, 0, 2] = flip * wide, -flip * (2 * x - 1) / scale
        theta[:, 1, 1], theta[:, 1, 2] = high, -(2 * y - 1) / scale
        if angle is not None:
            theta = turns(flip * angle[rows]) @ theta  # a mirrored sprite turns the other way
        source = sprites[subject[rows]].float() / 255
        tint = deck.tint[rows, slot].long()
        tinted = tint.nonzero().flatten()
        if len(tinted):
            source[tinted] = colourise(source[tinted], shades[tint[tinted]])
        grid = F.affine_grid(theta, [len(rows), 4, height, width], align_corners=False)
        out[rows] = F.grid_sample(source, grid, mode="bilinear", align_corners=False)
    return out


def grounds(deck: Deck, size: tuple[int, int]) -> torch.Tensor:
    """Backgrounds (B, 3, height, width) in 0..1: plain, or from one colour to another."""
    height, width = size
    down = torch.linspace(0, 1, height, device=deck.ground.device)[:, None].expand(height, width)
    across = torch.linspace(0, 1, width, device=deck.ground.device)[None].expand(height, width)
    ways = {"down": down, "across": across, "aslant": (down + across) / 2}
    share = torch.stack([ways[name] for name in DIRECTIONS])[deck.direction.long()][:, None]
    first, second = (deck.ground[:, n, :, None, None] for n in (0, 1))
    return first + (second - first) * share


def paint(
    atlas: Atlas, deck: Deck, size: tuple[int, int] = (256, 256), angle: torch.Tensor | None = None
) -> torch.Tensor:
    """Pictures (B, 3, height, width) float32 in -1..1 of the scenes of a deck on the atlas' device.

    angle: radians (B,) by which the things of each scene are turned clockwise, each about its own centre.
    """
    front = placed(atlas, deck, 0, size, angle)
    for slot in range(1, MOST):
        rows = (deck.subject[:, slot] != NOTHING).nonzero().flatten()
        if len(rows):
            more = placed(atlas, deck.rows(rows), slot, size, None if angle is None else angle[rows])
            front[rows] = more + front[rows] * (1 - more[:, 3:])
    return styled(front, grounds(deck, size), deck.style, deck.damage) * 2 - 1
