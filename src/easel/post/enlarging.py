"""Pictures made larger by any upscaler of pictures, learned or not, tile by tile.

Generators of work: what is loaded comes by `Load`, and each tile is a `Finish` of its own, so that other requests'
steps go between them. Pictures in, pictures out; knows no request but core's Enlarge.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from typing import Any

import numpy
from PIL import Image as Pillow
from PIL.Image import Image, Resampling

from easel.core.errors import BadValue
from easel.core.finishing import Enlarge
from easel.core.work import Finish, Load, Progress, Work
from easel.media.metadata import LARGEST_PICTURE
from easel.media.reading import LONGEST_SIDE
from easel.post.tiles import Axis, Melting, axis
from easel.post.upscale import Enlarger
from easel.post.upscalers import check_pixels, upscalers, wanted_upscaler

Size = tuple[int, int]
Maker = Enlarger | Callable[[Image, int, int], Image]  # a network, or arithmetic that brings a picture to a size

TILE = Enlarge().tile
LEAST_TILE = 32  # of smaller ones most would be what they have in common
MOST_TIMES = 3  # as A1111 has it: 4 x 4 is already more than may be asked for


def check_enlarge(part: Enlarge, size: Size | None = None) -> None:
    """Raise RequestError for what can be told without files: upscalers of latents, and a size beyond what is allowed.

    size: of the picture that is to be enlarged, where it is known.
    """
    for name in (part.upscaler, part.second):
        if name is not None:
            check_pixels(name, "enlarging a picture")
    if 0 < part.tile < LEAST_TILE:
        raise BadValue("enlarge.tile", part.tile, f"0, for the whole at once, or at least {LEAST_TILE}")
    if size is not None:
        sizes_of(part, size)


def sizes_of(part: Enlarge, size: Size) -> tuple[Size, Size]:
    """Return the size that a picture of `size` is brought to, and that which is left of it when it is cropped.

    By the factor; or by one side, the other by its shape; or until it covers both, as A1111 does. Raises BadValue.
    """
    wide, high = part.width, part.height
    field = "enlarge.scale" if wide is None and high is None else "enlarge.width" if high is None else "enlarge.height"
    factor = part.scale if wide is None and high is None else max((wide or 0) / size[0], (high or 0) / size[1])
    reached = max(wide or 0, round(size[0] * factor), 1), max(high or 0, round(size[1] * factor), 1)
    if max(reached) > LONGEST_SIDE or reached[0] * reached[1] > LARGEST_PICTURE:
        allowed = f"a result of at most {LONGEST_SIDE} pixels a side and {LARGEST_PICTURE} in all"
        got = part.scale if field == "enlarge.scale" else (high if wide is None else wide)
        raise BadValue(field, got, allowed, remedy=f"this asks for {reached[0]}x{reached[1]}")
    crops = part.crop and wide is not None and high is not None
    return reached, (wide, high) if crops and wide and high else reached


def enlarge(part: Enlarge, images: Sequence[Image]) -> Generator[Work, Any, list[Image]]:
    """Return pictures, RGB or RGBA, enlarged as a request says; transparency is enlarged beside what is seen.

    The run's progress counts the tiles of all pictures and both upscalers. Raises RequestError or ModelError.
    """
    check_enlarge(part)
    reached = [sizes_of(part, image.size) for image in images]
    sizes = [size for size, _ in reached]
    makers: list[Maker] = []
    for name in (part.upscaler, part.second if part.second_share > 0 else None):
        if name is not None:
            makers.append((yield from maker_of(name)))
    pairs = [(image.size, size) for image, size in zip(images, sizes, strict=True)]
    steps = sum(tiles_of(maker, *pair, part.tile) for maker in makers for pair in pairs)
    count = (Progress(step, steps) for step in range(steps))
    each: list[list[Image]] = []
    for maker in makers:
        each.append((yield from made_by(maker, images, sizes, part.tile, count)))
    large = each[0]
    if len(each) > 1:
        large = [Pillow.blend(one, other, part.second_share) for one, other in zip(*each, strict=True)]
    return [middle(image, size) for image, (_, size) in zip(large, reached, strict=True)]


def enlarged(
    name: str,
    images: Sequence[Image],
    sizes: Sequence[Size],
    *,
    tile: int = TILE,
) -> Generator[Work, Any, list[Image]]:
    """Return each picture at its size by the upscaler of this name: one of the registry's, else a file's.

    A learned one is applied until the picture is large enough, and Lanczos does the rest, as in A1111; what only
    becomes smaller is Lanczos's alone. Says nothing of progress: it is a part of recipes that count steps.
    """
    maker = yield from maker_of(name)
    return (yield from made_by(maker, images, sizes, tile, iter(())))


def maker_of(name: str) -> Generator[Work, Any, Maker]:
    """Return the upscaler of this name: one of the registry's, else a file's."""
    wanted = wanted_upscaler(name)
    return upscalers[name].make if wanted is None else (yield Load(wanted))


def made_by(
    maker: Maker, images: Sequence[Image], sizes: Sequence[Size], tile: int, count: Iterator[Progress]
) -> Generator[Work, Any, list[Image]]:
    """Return each picture at its size. count: where the run stands before each tile; none for what is not told."""
    found: list[Image] = []
    for image, size in zip(images, sizes, strict=True):
        if isinstance(maker, Enlarger):
            found.append((yield from learned(maker, image, size, tile, count)))
        else:
            found.append(image if image.size == size else (yield Finish(partial(maker, image, *size))))
    return found


def learned(
    network: Enlarger, image: Image, size: Size, tile: int, count: Iterator[Progress]
) -> Generator[Work, Any, Image]:
    """Return a picture at `size` by a learned upscaler."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    seen = image.convert("RGB")
    for _ in passes(network, image.size, size):
        seen = yield from by_tiles(network, seen, tile, count)
    return (yield Finish(partial(brought_to, seen, alpha, size)))


def passes(network: Enlarger, size: Size, wanted: Size) -> list[Size]:
    """Return the size of a picture before each time that a network is applied to it, until it has the wanted one.

    None where the picture only becomes smaller. Raises BadValue where it would become too large on the way.
    """
    smaller = wanted != size and wanted[0] <= size[0] and wanted[1] <= size[1]
    found: list[Size] = []
    while len(found) < (0 if smaller else MOST_TIMES):
        enough = size[0] >= wanted[0] and size[1] >= wanted[1]
        if found and (enough or network.scale == 1):
            break
        grown = size[0] * network.scale, size[1] * network.scale
        if grown[0] * grown[1] > LARGEST_PICTURE:
            allowed = f"an enlargement of at most {LARGEST_PICTURE} pixels on the way"
            remedy = f"{network.words} enlarges {network.scale} times; take one that enlarges less"
            raise BadValue("size to enlarge to", f"{grown[0]}x{grown[1]}", allowed, remedy=remedy)
        found.append(size)
        size = grown
    return found


def tiles_of(maker: Maker, size: Size, wanted: Size, tile: int) -> int:
    """Return in how many tiles a picture of `size` is brought to the wanted one; none where nothing is learned."""
    if not isinstance(maker, Enlarger):
        return 0
    axes = [axes_of(maker, before, tile) for before in passes(maker, size, wanted)]
    return sum(len(columns.starts) * len(rows.starts) for columns, rows in axes)


def axes_of(network: Enlarger, size: Size, tile: int) -> tuple[Axis, Axis]:
    """Return the columns and rows of tiles in which a network works on a picture of `size`."""
    side = 0 if network.whole else tile
    return axis(size[0], side), axis(size[1], side)


def by_tiles(network: Enlarger, image: Image, tile: int, count: Iterator[Progress]) -> Generator[Work, Any, Image]:
    """Return an RGB picture enlarged by a network's own scale, each tile by itself.

    tile: its side in pixels, 0 for the whole at once.
    """
    levels = numpy.asarray(image)
    columns, rows = axes_of(network, image.size, tile)
    melting = Melting(columns, rows, network.scale)
    for row, top in enumerate(rows.starts):
        for column, left in enumerate(columns.starts):
            cut = levels[top : top + rows.tile, left : left + columns.tile]
            made = yield Finish(partial(network.made_of, cut), next(count, None))
            melting.lay(row, column, made)
    return Pillow.fromarray(melting.whole())


def brought_to(seen: Image, alpha: Image | None, size: Size) -> Image:
    """Return an RGB picture at a size by Lanczos, with its transparency where it has one."""
    at_size = seen if seen.size == size else seen.resize(size, Resampling.LANCZOS)
    if alpha is not None:
        at_size.putalpha(alpha.resize(size, Resampling.LANCZOS))
    return at_size


def middle(image: Image, size: Size) -> Image:
    """Return the middle of a picture, all of it where it has that size."""
    left, top = (image.width - size[0]) // 2, (image.height - size[1]) // 2
    return image if image.size == size else image.crop((left, top, left + size[0], top + size[1]))
