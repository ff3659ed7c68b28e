"""What judges have in common: where the background and the subject of a picture are, and how answers are counted.

Knows pictures and the names of backgrounds; knows neither the judges nor what they look for.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from easel.training.world.scenes import BACKGROUNDS

GLYPH = 32  # pixels at which shapes are compared
FOREGROUND = 0.12  # distance from the background, of 1, at which a pixel belongs to the subject


def border_colour(pictures: torch.Tensor, width: int = 4) -> torch.Tensor:
    """The median colour (B, 3) of the pictures' borders, the background as painted; pictures are in -1..1."""
    rows = [pictures[..., :width, :], pictures[..., -width:, :]]
    columns = [pictures[..., :width].transpose(2, 3), pictures[..., -width:].transpose(2, 3)]
    border = torch.cat([part.flatten(2) for part in (*rows, *columns)], -1)
    return border.median(-1).values


def nearest_background(pictures: torch.Tensor) -> list[str]:
    """The name of the background colour nearest to each picture's border."""
    names = list(BACKGROUNDS)
    table = torch.tensor([BACKGROUNDS[name] for name in names]) * 2 - 1
    return [names[int(n)] for n in torch.cdist(border_colour(pictures).cpu(), table).argmin(-1)]


def crop_subject(picture: torch.Tensor, colour: torch.Tensor) -> torch.Tensor:
    """What differs from the background `colour` (3,), cropped, padded to a square, (3, GLYPH, GLYPH).

    Differences are averaged over 5x5 pixels and a row or column needs three of them, so that a speckle, which every
    decoder leaves, does not stretch the crop to the whole picture.
    """
    difference = (picture - colour[:, None, None]).abs().amax(0)
    mask = F.avg_pool2d(F.pad(difference[None, None], (2, 2, 2, 2), mode="replicate"), 5, 1)[0, 0] > 2 * FOREGROUND
    rows, columns = (mask.sum(1) > 2).nonzero().flatten(), (mask.sum(0) > 2).nonzero().flatten()
    if len(rows) < 4 or len(columns) < 4:
        return colour[:, None, None].expand(3, GLYPH, GLYPH)
    crop = picture[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = crop.shape[1:]
    side = max(height, width)
    square = colour[:, None, None].expand(3, side, side).clone()
    y, x = (side - height) // 2, (side - width) // 2
    square[:, y : y + height, x : x + width] = crop
    return F.interpolate(square[None], size=GLYPH, mode="area")[0]


def halves(pictures: torch.Tensor) -> torch.Tensor:
    """The middle left and middle right quarters, where a pair stands, at full size (2 B, 3, H, W), lefts first."""
    height, width = pictures.shape[-2:]
    middle = pictures[..., height // 4 : height - height // 4, :]
    parts = torch.cat([middle[..., : width // 2], middle[..., width // 2 :]])
    return F.interpolate(parts, size=(height, width), mode="bilinear")


def hits(order: torch.Tensor, wanted: torch.Tensor, top: int) -> torch.Tensor:
    """Whether `wanted` (B,) is among the first `top` of each order (B, N)."""
    return (order[:, :top] == wanted[:, None]).any(-1)


def share(truth: torch.Tensor | Sequence[bool]) -> float:
    """The share that is true, rounded; 0 of none."""
    values = torch.as_tensor(truth, dtype=torch.float32)
    return round(float(values.mean()), 4) if len(values) else 0.0
