"""Sample sheets: pictures in a grid with their captions, as one PNG. Knows nothing of models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from easel.media.sheets import font


def to_image(picture: torch.Tensor) -> Image.Image:
    """One picture (3, H, W) in -1..1 as an 8-bit RGB image."""
    array = ((picture.float().cpu().clamp(-1, 1) + 1) * 127.5).round().byte()
    return Image.fromarray(array.permute(1, 2, 0).contiguous().numpy())


def write_sheet(path: Path, pictures: torch.Tensor, captions: Sequence[str], columns: int = 8) -> Path:
    """Writes pictures (B, 3, H, W) in -1..1 with a caption under each; returns the path."""
    side, bar = pictures.shape[-1], 18
    rows = (len(pictures) + columns - 1) // columns
    sheet = Image.new("RGB", (columns * (side + 4), rows * (side + bar)), "white")
    draw, small = ImageDraw.Draw(sheet), font(10)
    for n, (picture, words) in enumerate(zip(pictures, captions, strict=True)):
        x, y = n % columns * (side + 4) + 2, n // columns * (side + bar)
        sheet.paste(to_image(picture), (x, y))
        draw.text((x, y + side + 2), words[: max(6, side // 5)], fill="black", font=small)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return path
