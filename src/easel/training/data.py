"""Compositions: scenes painted from the sprite atlas with torch, on whatever device the atlas lies.

Everything is a pure function of (seed, index), so training resumes exactly.  Knows no models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F

from easel.training.captions import caption
from easel.training.scenes import TINTS, Scene, draw_scene, generator
from easel.training.subjects import SPRITE, Subject

T = TypeVar("T")
LEVELS = (128, 96, 64, 48)  # sprite sides kept, so that making a sprite smaller never skips pixels
LUMA = (0.299, 0.587, 0.114)
SEPIA = ((0.24, 0.16, 0.09), (0.98, 0.91, 0.76))  # where black and white go


@dataclass(frozen=True)
class Examples:
    """A batch of compositions: pictures (B, 3, 128, 128) float32 in -1..1, their captions and scenes."""

    pictures: torch.Tensor
    captions: list[str]
    scenes: list[Scene]


def make_levels(atlas: torch.Tensor) -> list[torch.Tensor]:
    """The atlas (N, 4, 128, 128) at each of LEVELS, area-filtered."""
    return [atlas if side == SPRITE else F.interpolate(atlas, size=side, mode="area") for side in LEVELS]


def level_for(size: float) -> int:
    """The number of the smallest level that still covers a sprite of `size` (fraction of the picture)."""
    wanted = size * SPRITE
    return max((n for n, side in enumerate(LEVELS) if side >= wanted), default=0)


def luminance(rgb: torch.Tensor) -> torch.Tensor:
    """Brightness (B, 1, H, W) of colours (B, 3, H, W)."""
    weights = torch.tensor(LUMA, device=rgb.device, dtype=rgb.dtype).view(1, 3, 1, 1)
    return (rgb * weights).sum(1, keepdim=True)


def colourise(sprite: torch.Tensor, tint: torch.Tensor) -> torch.Tensor:
    """A premultiplied sprite (B, 4, H, W) in shades of `tint` (B, 3): black, the tint at mid brightness, then white."""
    alpha = sprite[:, 3:]
    light = luminance(sprite[:, :3] / alpha.clamp_min(1e-4)).clamp(0, 1)
    colour = tint.view(-1, 3, 1, 1)
    low = colour * (light / 0.6).clamp(max=1) ** 0.8
    high = (light - 0.6).clamp_min(0) / 0.4
    return torch.cat([(low + (1 - low) * high * 0.75) * alpha, alpha], 1)


def place(levels: list[torch.Tensor], scenes: Sequence[Scene], slot: int) -> torch.Tensor:
    """Sprite number `slot` of each scene on a clear picture, premultiplied (B, 4, 128, 128)."""
    device = levels[0].device
    out = torch.zeros(len(scenes), 4, SPRITE, SPRITE, device=device)
    rows = [n for n, scene in enumerate(scenes) if len(scene.sprites) > slot]
    for level, sheet in enumerate(levels):
        chosen = [n for n in rows if level_for(scenes[n].sprites[slot].size) == level]
        if not chosen:
            continue
        sprites = [scenes[n].sprites[slot] for n in chosen]
        theta = torch.zeros(len(chosen), 2, 3)
        for row, sprite in enumerate(sprites):
            scale = 1 / sprite.size
            flip = -1.0 if sprite.mirrored else 1.0
            x, y = (2 * c - 1 for c in sprite.centre)
            theta[row, 0, 0], theta[row, 0, 2] = flip * scale, -flip * scale * x
            theta[row, 1, 1], theta[row, 1, 2] = scale, -scale * y
        grid = F.affine_grid(theta, [len(chosen), 4, SPRITE, SPRITE], align_corners=False).to(device)
        source = sheet[torch.tensor([s.subject for s in sprites], device=device)]
        tinted = [row for row, sprite in enumerate(sprites) if sprite.tint]
        if tinted:
            colours = torch.tensor([TINTS[sprites[row].tint] for row in tinted], device=device)
            source[tinted] = colourise(source[tinted], colours)
        out[chosen] = F.grid_sample(source, grid, mode="bilinear", align_corners=False)
    return out


def over(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """A premultiplied picture (B, 4, H, W) laid over colours (B, 3, H, W)."""
    return front[:, :3] + back * (1 - front[:, 3:])


def blur(x: torch.Tensor, radius: int) -> torch.Tensor:
    """Two box blurs of width 2 * radius + 1, nearly a Gaussian."""
    for _ in range(2):
        x = F.avg_pool2d(F.pad(x, (radius,) * 4, mode="replicate"), 2 * radius + 1, 1)
    return x


def pixel(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Blocks of 8 pixels with hard edges."""
    small = F.avg_pool2d(front, 8)
    alpha = (small[:, 3:] > 0.5).to(small.dtype)
    small = torch.cat([small[:, :3] / small[:, 3:].clamp_min(1e-4) * alpha, alpha], 1)
    return over(F.interpolate(small, scale_factor=8, mode="nearest"), back)


def pencil(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Dark outlines where brightness or shape changes, light grey shading, white paper."""
    paper = torch.ones_like(back)
    light = luminance(over(front, paper))
    tone = blur(torch.cat([light, front[:, 3:]], 1), 1)
    dx = F.pad(tone[..., :, 2:] - tone[..., :, :-2], (1, 1, 0, 0))
    dy = F.pad(tone[..., 2:, :] - tone[..., :-2, :], (0, 0, 1, 1))
    edge = torch.hypot(dx, dy).amax(1, keepdim=True)
    ink = (edge * 3.0 - 0.15).clamp(0, 1)
    return (paper * (0.8 + 0.2 * light) * (1 - 0.85 * ink)).clamp(0, 1)


def silhouette(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """The subject's shape in near black."""
    alpha = front[:, 3:]
    return over(torch.cat([0.04 * alpha.expand(-1, 3, -1, -1), alpha], 1), back)


def watercolour(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Soft colours that run over the edges, with pooled pigment at the rim."""
    soft = blur(front, 2)
    rim = (front[:, 3:] * (1 - soft[:, 3:]) * 2).clamp(0, 1)
    pale = torch.cat([soft[:, :3] * 0.88 + 0.1 * soft[:, 3:], soft[:, 3:]], 1)
    return (over(pale, back) * (1 - 0.3 * rim)).clamp(0, 1)


def sepia(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Brown shades on old paper."""
    light = luminance(over(front, back))
    dark, bright = (torch.tensor(c, device=front.device).view(1, 3, 1, 1) for c in SEPIA)
    return dark + (bright - dark) * light


def night(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """The subject dimmed and bluish on a deep blue sky."""
    sky = torch.tensor((0.05, 0.07, 0.20), device=front.device).view(1, 3, 1, 1).expand_as(back)
    dim = torch.tensor((0.50, 0.55, 0.80), device=front.device).view(1, 3, 1, 1)
    return over(torch.cat([front[:, :3] * dim, front[:, 3:]], 1), sky)


PAINTERS = {
    "": over,
    "pixel": pixel,
    "pencil": pencil,
    "silhouette": silhouette,
    "watercolour": watercolour,
    "sepia": sepia,
    "night": night,
}


def paint(levels: list[torch.Tensor], scenes: Sequence[Scene]) -> torch.Tensor:
    """Scenes as pictures (B, 3, 128, 128) float32 in -1..1."""
    device = levels[0].device
    front = place(levels, scenes, 0)
    second = place(levels, scenes, 1)
    front = second + front * (1 - second[:, 3:])
    back = torch.tensor([scene.colour for scene in scenes], device=device).view(-1, 3, 1, 1)
    back = back.expand(-1, 3, SPRITE, SPRITE)
    out = torch.empty_like(back)
    for style, painter in PAINTERS.items():
        rows = [n for n, scene in enumerate(scenes) if scene.style == style]
        if rows:
            out[rows] = painter(front[rows], back[rows])
    return out.clamp(0, 1) * 2 - 1


def draw_captioned(subjects: Sequence[Subject], seed: int, index: int) -> tuple[Scene, str]:
    """Scene number `index` of the stream `seed` and its caption."""
    rng = generator(seed, index)
    scene = draw_scene(rng, len(subjects))
    return scene, caption(scene, subjects, rng)


def compose(levels: list[torch.Tensor], subjects: Sequence[Subject], seed: int, indices: Sequence[int]) -> Examples:
    """The compositions numbered `indices` of the stream `seed`."""
    drawn = [draw_captioned(subjects, seed, index) for index in indices]
    scenes = [scene for scene, _ in drawn]
    return Examples(paint(levels, scenes), [words for _, words in drawn], scenes)


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`items` in slices of `size`."""
    for first in range(0, len(items), size):
        yield items[first : first + size]
