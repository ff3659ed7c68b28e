"""The geometry of tiled upscaling: how large the picture becomes, where its tiles lie, how they melt into one another.

The rules are A1111's (SD upscale). Pictures in, pictures out; nothing here asks for work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from PIL import Image as Pillow
from PIL.Image import Image

from easel.core.errors import BadValue
from easel.core.pictures import Tiles
from easel.media.metadata import LARGEST_PICTURE
from easel.media.reading import LONGEST_SIDE
from easel.media.resize import Size, padded

CELL = 8  # a tile's sides are multiples of it, where no model asks for more
MOST_TILES = 1024  # of one picture


@dataclass(frozen=True, slots=True)
class Grid:
    """Where tiles lie on a picture, all in pixels.

    size: of the finished picture. tile: of each tile. columns, rows: left and upper edges. overlap: how far neighbours
    melt. The last tiles may overhang a picture that is no whole number of cells; what overhangs is cut off.
    """

    size: Size
    tile: Size
    columns: tuple[int, ...]
    rows: tuple[int, ...]
    overlap: int

    def __len__(self) -> int:
        return len(self.columns) * len(self.rows)

    def cut(self, image: Image) -> list[Image]:
        """Return the tiles of a picture of `size`, row by row; beyond its edges the last pixels are repeated."""
        width, height = self.columns[-1] + self.tile[0], self.rows[-1] + self.tile[1]
        image = padded(image, 0, 0, width - image.width, height - image.height, "edge")
        return [image.crop((x, y, x + self.tile[0], y + self.tile[1])) for y in self.rows for x in self.columns]

    def joined(self, tiles: Sequence[Image]) -> Image:
        """Return the picture of these tiles, each laid over those before it and fading in over the overlap."""
        width, height = self.columns[-1] + self.tile[0], self.rows[-1] + self.tile[1]
        whole = Pillow.new("RGB", (width, height))
        for place, y in enumerate(self.rows):
            row = Pillow.new("RGB", (width, self.tile[1]))
            for x, tile in zip(self.columns, tiles[place * len(self.columns) :], strict=False):
                row.paste(tile, (x, 0), self.fading(tile.size, sideways=True) if x else None)
            whole.paste(row, (0, y), self.fading(row.size, sideways=False) if y else None)
        return whole.crop((0, 0, *self.size))

    def fading(self, size: Size, *, sideways: bool) -> Image:
        """Return the mask, mode L, by which what is laid over fades in from the left or from above."""
        width, height = size
        shares = numpy.arange(width if sideways else height) / self.overlap if self.overlap else numpy.ones(1)
        levels = (shares.clip(0, 1) * 255).astype(numpy.uint8)
        mask = numpy.broadcast_to(levels if sideways else levels[:, None], (height, width))
        return Pillow.fromarray(numpy.ascontiguousarray(mask))


def size_of(tiles: Tiles, image: Image) -> Size:
    """Return the finished picture's width and height. Raises BadValue where that is too large."""
    width, height = int(image.width * tiles.scale), int(image.height * tiles.scale)
    if max(width, height) > LONGEST_SIDE or width * height > LARGEST_PICTURE:
        allowed = f"a result of at most {LONGEST_SIDE} pixels a side and {LARGEST_PICTURE} in all"
        raise BadValue("tiles.scale", tiles.scale, allowed, remedy=f"this asks for {width}x{height}")
    return width, height


def grid_of(tiles: Tiles, size: Size, tile: Size, multiple: int = CELL) -> Grid:
    """Return the tiles of a picture of `size`, in tiles of `tile` or, where it is smaller, of its own size.

    multiple: of which number of pixels a tile's sides must be multiples.

    Raises BadValue for an overlap that leaves nothing of a tile and for too many tiles.
    """
    if tiles.overlap >= min(tile):
        raise BadValue("tiles.overlap", tiles.overlap, f"less than a tile's side, {min(tile)}")
    width, height = (min(side, math.ceil(whole / multiple) * multiple) for side, whole in zip(tile, size, strict=True))
    columns, rows = edges(size[0], width, tiles.overlap), edges(size[1], height, tiles.overlap)
    if len(columns) * len(rows) > MOST_TILES:
        got = f"{len(columns)}x{len(rows)} tiles of {width}x{height}"
        remedy = "take larger tiles, less overlap or a smaller scale"
        raise BadValue("tiles", got, f"at most {MOST_TILES} tiles", remedy=remedy)
    return Grid(size, (width, height), columns, rows, tiles.overlap)


def edges(whole: int, tile: int, overlap: int) -> tuple[int, ...]:
    """Return where tiles begin that cover a side of `whole` pixels, evenly and with at least `overlap` in common."""
    count = math.ceil((whole - overlap) / (tile - overlap)) if whole > tile else 1
    return tuple(place * (whole - tile) // max(count - 1, 1) for place in range(count))
