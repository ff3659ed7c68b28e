"""Tints, styles and faults of pictures, as arithmetic on tensors of any side on any device.

A style gets the things on a clear ground, premultiplied (B, 4, H, W), and the ground (B, 3, H, W), all in 0..1, and
gives pictures (B, 3, H, W). Lengths are in fractions of the shorter side, so that every side shows the same.
Knows neither scenes nor sprites, only the numbers of styles and faults.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from easel.training.world.scenes import DAMAGES, STYLES

Style = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
LUMA = (0.299, 0.587, 0.114)
SEPIA = ((0.24, 0.16, 0.09), (0.98, 0.91, 0.76))  # where black and white go
SKY, MOON = (0.05, 0.07, 0.20), (0.50, 0.55, 0.80)
DARK = (0.03, 0.02, 0.07)


def unit(x: torch.Tensor, parts: int) -> int:
    """The `parts`-th part of the shorter side in pixels, at least 1."""
    return max(1, round(min(x.shape[-2:]) / parts))


def colour(value: tuple[float, float, float], like: torch.Tensor) -> torch.Tensor:
    """A colour as (1, 3, 1, 1)."""
    return torch.tensor(value, device=like.device, dtype=like.dtype).view(1, 3, 1, 1)


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


def over(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """A premultiplied picture (B, 4, H, W) laid over colours (B, 3, H, W)."""
    return front[:, :3] + back * (1 - front[:, 3:])


def blur(x: torch.Tensor, radius: int) -> torch.Tensor:
    """Two box blurs of width 2 * radius + 1, nearly a Gaussian."""
    for _ in range(2):
        x = F.avg_pool2d(F.pad(x, (radius,) * 4, mode="replicate"), 2 * radius + 1, 1)
    return x


def slopes(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Differences of neighbours two apart, to the right and down, zero at the edge."""
    right = F.pad(x[..., :, 2:] - x[..., :, :-2], (1, 1, 0, 0))
    return right, F.pad(x[..., 2:, :] - x[..., :-2, :], (0, 0, 1, 1))


def edges(front: torch.Tensor, radius: int) -> torch.Tensor:
    """How strongly brightness or shape changes, (B, 1, H, W)."""
    light = luminance(over(front, torch.ones_like(front[:, :3])))
    tone = blur(torch.cat([light, front[:, 3:]], 1), radius)
    right, down = slopes(tone)
    return torch.hypot(right, down).amax(1, keepdim=True) * (2 * radius)


def blocks(front: torch.Tensor, side: int) -> torch.Tensor:
    """Premultiplied things in blocks of `side` pixels with hard edges, at the full size."""
    height, width = front.shape[-2:]
    small = F.adaptive_avg_pool2d(front, (max(1, height // side), max(1, width // side)))
    alpha = (small[:, 3:] > 0.5).to(small.dtype)
    small = torch.cat([small[:, :3] / small[:, 3:].clamp_min(1e-4) * alpha, alpha], 1)
    return F.interpolate(small, size=(height, width), mode="nearest")


def pixel(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Blocks a sixteenth of the side wide."""
    return over(blocks(front, unit(front, 16)), back)


def pencil(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Dark outlines, light grey shading, white paper."""
    light = luminance(over(front, torch.ones_like(back)))
    ink = (edges(front, unit(front, 128)) * 1.5 - 0.15).clamp(0, 1)
    return ((0.8 + 0.2 * light) * (1 - 0.85 * ink)).expand_as(back)


def lineart(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Thin black lines on white and nothing else."""
    ink = ((edges(front, 1) - 0.12) * 12).clamp(0, 1)
    return (1 - ink).expand_as(back)


def silhouette(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """The shape in near black."""
    alpha = front[:, 3:]
    return over(torch.cat([0.04 * alpha.expand(-1, 3, -1, -1), alpha], 1), back)


def watercolour(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Soft colours that run over the edges, with pooled pigment at the rim."""
    soft = blur(front, unit(front, 64))
    rim = (front[:, 3:] * (1 - soft[:, 3:]) * 2).clamp(0, 1)
    pale = torch.cat([soft[:, :3] * 0.88 + 0.1 * soft[:, 3:], soft[:, 3:]], 1)
    return over(pale, back) * (1 - 0.3 * rim)


def oil(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Strokes of one colour: each place takes the calmest of the four squares it is a corner of (Kuwahara 1976)."""
    picture, side = over(front, back), unit(front, 40)
    padded = F.pad(picture, (side,) * 4, mode="replicate")
    mean = F.avg_pool2d(padded, side + 1, 1)
    spread = (F.avg_pool2d(padded.square(), side + 1, 1) - mean.square()).sum(1, keepdim=True)
    height, width = picture.shape[-2:]
    corners = [(y, x) for y in (0, side) for x in (0, side)]
    means = torch.stack([mean[..., y : y + height, x : x + width] for y, x in corners])
    spreads = torch.stack([spread[..., y : y + height, x : x + width] for y, x in corners])
    calmest = spreads.argmin(0, keepdim=True).expand(1, -1, 3, -1, -1)
    return means.gather(0, calmest)[0]


def sepia(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Brown shades on old paper."""
    dark, bright = (colour(one, front) for one in SEPIA)
    return dark + (bright - dark) * luminance(over(front, back))


def night(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """The things dimmed and bluish on a deep blue sky."""
    return over(torch.cat([front[:, :3] * colour(MOON, front), front[:, 3:]], 1), colour(SKY, front).expand_as(back))


def neon(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Glowing lines in the things' own colours, made bright, on near black."""
    hue = blur(front, unit(front, 48))
    own = hue[:, :3] / hue[:, 3:].clamp_min(0.05)
    bright = (own / own.amax(1, keepdim=True).clamp_min(0.2)).clamp(0, 1)
    line = (edges(front, unit(front, 128)) * 2 - 0.2).clamp(0, 1)
    glow = blur(line, unit(front, 32))
    return colour(DARK, front) + bright * (glow * 0.8 + line) + 0.35 * line


def embossed(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Relief in grey metal, lit from the upper left."""
    tone = blur(luminance(over(front, torch.ones_like(back))) * 0.5 + front[:, 3:] * 0.5, unit(front, 128))
    right, down = slopes(tone)
    return (0.55 + (right + down) * 1.2 * unit(front, 128)).expand_as(back)


def mosaic(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Square tiles with pale joints between them."""
    side = max(4, unit(front, 24))
    picture = over(front, back)
    height, width = picture.shape[-2:]
    small = F.adaptive_avg_pool2d(picture, (max(1, height // side), max(1, width // side)))
    tiles = F.interpolate(small, size=(height, width), mode="nearest")
    y, x = (torch.arange(n, device=front.device) % side for n in (height, width))
    joint = ((y < max(1, side // 8))[:, None] | (x < max(1, side // 8))[None]).to(picture.dtype)
    return tiles * (1 - joint) + 0.85 * joint


def poster(front: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Few flat colours within bold dark outlines."""
    picture = over(blur(front, unit(front, 160)), back)
    flat = (picture * 3).round() / 3
    line = ((edges(front, unit(front, 100)) - 0.35) * 4).clamp(0, 1)
    return flat * (1 - 0.9 * line)


PAINTERS: dict[str, Style] = {
    "": over,
    "pixel": pixel,
    "pencil": pencil,
    "lineart": lineart,
    "silhouette": silhouette,
    "watercolour": watercolour,
    "oil": oil,
    "sepia": sepia,
    "night": night,
    "neon": neon,
    "embossed": embossed,
    "mosaic": mosaic,
    "poster": poster,
}


def blurry(picture: torch.Tensor) -> torch.Tensor:
    """Out of focus."""
    return blur(picture, unit(picture, 42))


def cosines(like: torch.Tensor) -> torch.Tensor:
    """The cosine transform of eight numbers, (8, 8), orthonormal."""
    n = torch.arange(8, device=like.device, dtype=like.dtype)
    table = torch.cos(math.pi / 8 * (n[None] + 0.5) * n[:, None]) / 2
    table[0] /= math.sqrt(2)
    return table


def jpeg(picture: torch.Tensor) -> torch.Tensor:
    """Blocks of 8 pixels whose cosines were rounded coarsely, the finer the coarser."""
    height, width = picture.shape[-2:]
    padded = F.pad(picture, (0, -width % 8, 0, -height % 8), mode="replicate")
    table = cosines(picture)
    cells = padded.unfold(2, 8, 8).unfold(3, 8, 8)
    waves = table @ cells @ table.mT
    n = torch.arange(8, device=picture.device, dtype=picture.dtype)
    coarse = 0.12 + 0.09 * (n[:, None] + n[None])
    cells = table.mT @ ((waves / coarse).round() * coarse) @ table
    return cells.transpose(3, 4).flatten(4).flatten(2, 3)[..., :height, :width]


def noisy(picture: torch.Tensor) -> torch.Tensor:
    """Grain; a batch always has the same, a picture another in another place of it."""
    drawn = torch.Generator().manual_seed(len(picture))
    grain = torch.randn(picture.shape, generator=drawn).to(picture.device, picture.dtype)
    return picture + 0.16 * grain


def small(picture: torch.Tensor) -> torch.Tensor:
    """A fifth of the pixels along each side, spread out again."""
    height, width = picture.shape[-2:]
    less = F.interpolate(picture, size=(height // 5, width // 5), mode="area")
    return F.interpolate(less, size=(height, width), mode="bilinear")


FAULTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "blurry": blurry,
    "jpeg": jpeg,
    "noisy": noisy,
    "small": small,
}


def styled(front: torch.Tensor, back: torch.Tensor, style: torch.Tensor, damage: torch.Tensor) -> torch.Tensor:
    """Pictures (B, 3, H, W) in 0..1 by the numbers of their styles and faults, (B,) each."""
    out = torch.empty_like(back)
    for number, name in enumerate(STYLES):
        rows = (style == number).nonzero().flatten()
        if len(rows):
            out[rows] = PAINTERS[name](front[rows], back[rows])
    for number, name in enumerate(DAMAGES):
        rows = (damage == number).nonzero().flatten()
        if name and len(rows):
            out[rows] = FAULTS[name](out[rows])
    return out.clamp(0, 1)
