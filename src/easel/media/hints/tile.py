"""The picture itself, without its finest detail: what tile models draw anew."""

from __future__ import annotations

from PIL import Image

from easel.media.hints.registry import preprocessor


@preprocessor("tile", "tile_resample", label="Tile, resampled", control="Tile", limits={"rate": (1, 8)})
def tile(image: Image.Image, *, rate: float = 1.0) -> Image.Image:
    """Return the picture made `rate` times smaller and as large again; 1 leaves it as it is."""
    small = max(1, round(image.width / rate)), max(1, round(image.height / rate))
    return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BICUBIC)
