"""Regions of a picture: from boxes, masks and maps; sifted, ordered, moved, grown and merged.

The arithmetic is ADetailer's where it has any. Pillow masks and numbers in and out; finds nothing and paints nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageChops, ImageOps
from PIL.Image import Image, Resampling

from easel.core.detail import Detail
from easel.post.found import Box, Found

Size = tuple[int, int]
Map = NDArray[numpy.float32]
BOTH_WAYS = ((0, 1), (0, -1), (1, 0), (-1, 0))


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A part of a picture. mask: mode L, of the picture's size, white within. score: 0..1, how surely it was found."""

    mask: Image
    score: float = 1.0

    @property
    def box(self) -> Box:
        """Its left, top, right and bottom edge in pixels; all 0 where nothing of it is in the picture."""
        return self.mask.getbbox() or (0, 0, 0, 0)

    @property
    def area(self) -> int:
        """The pixels that its box covers."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


def boxed(found: Found, size: Size) -> Region:
    """Return the box of something found as a region of a picture of `size`."""
    mask = Pillow.new("L", size)
    mask.paste(255, found.box)
    return Region(mask, found.score)


def in_map(values: Map, size: Size, least: float) -> list[Region]:
    """Return what stands out in a map (rows, columns) of a picture of `size`, the strongest first.

    least: 0..1, how strong a place is that belongs to a region, as a share of the map's strongest. Places that touch
    are one region, and what they enclose belongs to it; its score is its strongest place's share.
    """
    strongest = float(values.max(initial=0.0))
    if not strongest > 0:
        return []
    shares = values / strongest
    parts = connected(shares >= max(least, numpy.finfo(numpy.float32).tiny))
    found = [Region(outlined(shares, part, size, least), float(shares[part].max())) for part in parts]
    return sorted((one for one in found if one.area), key=lambda one: -one.score)


def outlined(shares: Map, part: NDArray[numpy.bool_], size: Size, least: float) -> Image:
    """Return one part of a map as a mask at the picture's size, its edge where the map passes `least`."""
    near = part | touching(part)
    own = Pillow.fromarray(numpy.where(enclosed(part), 1, numpy.where(near, shares, 0)).astype(numpy.float32))
    large = numpy.asarray(own.resize(size, Resampling.BICUBIC))
    return Pillow.fromarray(numpy.where(large >= max(least, 1e-6), 255, 0).astype(numpy.uint8))


def enclosed(part: NDArray[numpy.bool_]) -> NDArray[numpy.bool_]:
    """Return the places that are none of a part's and from which no way leads to the border but through it."""
    found = numpy.zeros_like(part)
    for other in connected(~part):
        if not (other[0].any() or other[-1].any() or other[:, 0].any() or other[:, -1].any()):
            found |= other
    return found


def touching(part: NDArray[numpy.bool_]) -> NDArray[numpy.bool_]:
    """Return the places that share a side with those of a part, and are none of them."""
    wide = numpy.pad(part, 1)
    near = wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
    return near & ~part


def connected(places: NDArray[numpy.bool_]) -> list[NDArray[numpy.bool_]]:
    """Return the parts of which places that share a side are made, row by row from the top."""
    left = places.copy()
    parts: list[NDArray[numpy.bool_]] = []
    for start in zip(*numpy.nonzero(places), strict=True):
        if not left[start]:
            continue
        part = numpy.zeros_like(places)
        edge = [(int(start[0]), int(start[1]))]
        left[start] = False
        while edge:
            row, column = edge.pop()
            part[row, column] = True
            for down, right in BOTH_WAYS:
                there = row + down, column + right
                if 0 <= there[0] < places.shape[0] and 0 <= there[1] < places.shape[1] and left[there]:
                    left[there] = False
                    edge.append(there)
        parts.append(part)
    return parts


def to_work_on(detail: Detail, regions: Iterable[Region], size: Size) -> list[Region]:
    """Return which of the regions found in a picture of `size` are worked on, in order and as they are painted.

    Sifted by score and share of the picture, ordered, counted, moved, grown or shrunk, and joined; what has nothing
    left in the picture is none.
    """
    whole = size[0] * size[1]
    kept = [one for one in regions if one.area and one.score >= detail.confidence]
    kept = [one for one in kept if detail.least <= one.area / whole <= detail.greatest]
    kept = sorted(kept, key=ORDERS[detail.order](size))
    kept = kept[: detail.most] if detail.most else kept
    placed = [replace(one, mask=grown(moved(one.mask, detail), detail.grow)) for one in kept]
    return [one for one in joined([one for one in placed if one.area], detail.merge) if one.area]


def centre(region: Region) -> tuple[float, float]:
    """Return the middle of a region's box."""
    left, top, right, bottom = region.box
    return (left + right) / 2, (top + bottom) / 2


def from_centre(size: Size) -> Callable[[Region], float]:
    """Return how far a region's middle is from that of a picture of `size`."""

    def distance(region: Region) -> float:
        x, y = centre(region)
        return math.hypot(x - size[0] / 2, y - size[1] / 2)

    return distance


ORDERS: dict[str, Callable[[Size], Callable[[Region], float]]] = {
    "confidence": lambda size: lambda region: -region.score,
    "area": lambda size: lambda region: -region.area,
    "left to right": lambda size: lambda region: region.box[0],
    "centre": from_centre,
}


def moved(mask: Image, detail: Detail) -> Image:
    """Return a mask moved to the right and up; what leaves the picture is gone."""
    if not (detail.move_x or detail.move_y):
        return mask
    found = Pillow.new("L", mask.size)
    found.paste(mask, (detail.move_x, -detail.move_y))
    return found


def grown(mask: Image, pixels: int) -> Image:
    """Return a mask in which each pixel is the lightest, or for fewer than 0 the darkest, of a square of `pixels`.

    As OpenCV lays the square: of an even number one pixel more lies to the left and above. Beyond the picture is
    nothing that counts.
    """
    side = abs(pixels)
    if side < 2:
        return mask
    levels = numpy.asarray(mask)
    choose, beyond = (numpy.maximum, 0) if pixels > 0 else (numpy.minimum, 255)
    for axis in (0, 1):
        levels = slid(levels, side, axis, choose, beyond)
    return Pillow.fromarray(levels)


def slid(
    levels: NDArray[numpy.uint8], side: int, axis: int, choose: Callable[..., NDArray[numpy.uint8]], beyond: int
) -> NDArray[numpy.uint8]:
    """Return for each place what is chosen of `side` places along an axis, in about log2(side) passes."""
    margins = [(side // 2, side - 1 - side // 2) if one == axis else (0, 0) for one in (0, 1)]
    wide = numpy.moveaxis(numpy.pad(levels, margins, constant_values=beyond), axis, 0)
    covered = 1
    while covered < side:
        step = min(covered, side - covered)
        wide = choose(wide[:-step], wide[step:])
        covered += step
    return numpy.ascontiguousarray(numpy.moveaxis(wide, 0, axis))


def joined(regions: Sequence[Region], merge: str) -> list[Region]:
    """Return the regions as they are, all as one ("merge"), or as one all that is none of them ("invert")."""
    if not merge or not regions:
        return list(regions)
    mask = regions[0].mask
    for one in regions[1:]:
        mask = ImageChops.lighter(mask, one.mask)
    score = max(one.score for one in regions)
    return [Region(ImageOps.invert(mask) if merge == "invert" else mask, score)]


def apart(boxes: Sequence[Box]) -> list[list[int]]:
    """Return the numbers of boxes in rounds: those of one do not overlap, and one that does waits for those before it.

    Of two that overlap the first comes first, whatever else is in their rounds.
    """
    rounds: list[list[int]] = []
    for place, box in enumerate(boxes):
        after = [n for n, members in enumerate(rounds) if any(overlapping(box, boxes[other]) for other in members)]
        number = max(after, default=-1) + 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(place)
    return rounds


def overlapping(one: Box, other: Box) -> bool:
    """Return whether two boxes have a pixel in common."""
    return max(one[0], other[0]) < min(one[2], other[2]) and max(one[1], other[1]) < min(one[3], other[3])
