"""A thing before a flat background, cut out by arithmetic: flooded from the borders, with an edge as soft as it is.

The background is one colour of CIE LAB, or one that changes evenly across the picture. Pixels at the edge are a mixture
of it and the thing, and the mask says in which shares. Knows no networks.
"""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from easel.media.colours import to_lab
from easel.models.cutout.spreading import spread

Values = NDArray[numpy.floating[Any]]
Places = NDArray[numpy.bool_]

ROWS = 256  # of a picture that become LAB at a time
RIM = 4  # outermost pixels, which decoders of latents darken; they count as those beside them
BORDER = 8  # pixels, the rim's with those within, that tell the background
CORNER = 8  # pixels a side
ENDS = (slice(None, CORNER), slice(-CORNER, None))
LOOSE = 10.0  # of LAB, within which the border may be of the background while that is sought
ROUNDS = 3
EDGE = 7  # pixels a side within which an edge is mixed: three to each side
SLIGHT = 14.0  # of 255, below which two colours are too alike to tell shares
FAINT = 0.05  # how much a pixel at the edge, a mixture itself, counts for one of the two colours beside those beyond
CLEAR, SOLID = 0.04, 0.96  # shares beyond which there is no mixture


def flat_mask(image: Image.Image, tolerance: float, *, holes: bool = False) -> Image.Image:
    """Return how much of each pixel of an RGB picture is no background, mode L.

    tolerance: how far in LAB a colour may be from the background's and still be of it, 0..100. holes: whether places
    of that colour count which the thing encloses.
    """
    image = without_rim(image)
    lab = numpy.concatenate([to_lab(strip).astype(numpy.float32) for strip in strips(image)])
    away = numpy.linalg.norm(lab - ground(lab, tolerance), axis=-1)
    alike = away <= tolerance
    outside = alike if holes else flooded(alike)
    if not outside.any():
        return Image.new("L", image.size, 255)
    share = shares(numpy.asarray(image, numpy.float32), outside, away)
    return Image.fromarray((share * 255).round().astype(numpy.uint8))


def without_rim(image: Image.Image) -> Image.Image:
    """Return a picture whose outermost pixels are those within drawn outward; one that is small as it is."""
    levels = numpy.asarray(image)
    if min(levels.shape[:2]) < 8 * RIM:
        return image
    margins = ((RIM, RIM), (RIM, RIM), (0, 0))
    return Image.fromarray(numpy.pad(levels[RIM:-RIM, RIM:-RIM], margins, mode="edge"))


def strips(image: Image.Image) -> list[Image.Image]:
    """Return a picture in strips of rows, so that LAB in long numbers never stands there whole."""
    width, height = image.size
    return [image.crop((0, top, width, min(top + ROWS, height))) for top in range(0, height, ROWS)]


def ground(lab: Values, tolerance: float) -> Values:
    """Return the background's colour at each pixel, (height, width, 3): a plane through the border's colours."""
    high, wide = lab.shape[:2]
    down, across = numpy.mgrid[-1 : 1 : high * 1j, -1 : 1 : wide * 1j].astype(numpy.float32)
    border = numpy.ones((high, wide), bool)
    border[BORDER:-BORDER, BORDER:-BORDER] = False
    colours = lab[border]
    terms = numpy.stack([numpy.ones(len(colours), numpy.float32), across[border], down[border]], 1)
    corners = [lab[rows, columns].reshape(-1, 3) for rows in ENDS for columns in ENDS]
    guesses = [numpy.median(some, 0) for some in (colours, *corners)]
    reach = max(LOOSE, tolerance)
    near = max((numpy.linalg.norm(colours - guess, axis=1) <= reach for guess in guesses), key=numpy.sum)
    near = near if near.any() else ~near
    plane = numpy.zeros((3, 3), numpy.float32)
    for _ in range(ROUNDS):
        plane = numpy.linalg.lstsq(terms[near], colours[near], rcond=None)[0].astype(numpy.float32)
        closer = numpy.linalg.norm(colours - terms @ plane, axis=1) <= reach
        near = closer if closer.any() else near
    return plane[0] + across[..., None] * plane[1] + down[..., None] * plane[2]


def flooded(places: Places) -> Places:
    """Return which of some places a path of them joins to the border, over sides and not over corners."""
    found = numpy.zeros_like(places)
    for end in (0, -1):
        found[end], found[:, end] = places[end], places[:, end]
    count = -1
    while (now := int(found.sum())) != count:
        count = now
        found = along_rows(places, found)
        found = along_rows(places.T, found.T).T
    return found


def along_rows(places: Places, found: Places) -> Places:
    """Return what is found, with all of each unbroken run of places in a row of which some are."""
    ends = ~places
    ends[:, 0] = True  # a run ends with its row
    runs = numpy.cumsum(ends.ravel())
    reached = numpy.bincount(runs, weights=(found & places).ravel()) > 0
    return places & reached[runs].reshape(places.shape)


def shares(levels: Values, outside: Places, away: Values) -> Values:
    """Return how much of each pixel is no background, 0..1: mixed at the edge, whole beyond it.

    levels: (height, width, 3) in 0..255. away: how far each pixel's colour is from the background's.
    """
    mask = Image.fromarray(outside).convert("L")
    wide = numpy.asarray(mask.filter(ImageFilter.MaxFilter(EDGE))) > 0
    narrow = numpy.asarray(mask.filter(ImageFilter.MinFilter(EDGE))) > 0
    unlike = (away / max(float(away.max()), 1e-6)) ** 8
    behind = spread(levels, numpy.where(narrow, 1, outside * FAINT).astype(numpy.float32))
    thing = spread(levels, numpy.where(wide, ~outside * unlike * FAINT, 1).astype(numpy.float32))
    way = thing - behind
    length = (way**2).sum(-1)
    mixed = ((levels - behind) * way).sum(-1) / numpy.maximum(length, 1e-6)
    mixed = numpy.where(length > SLIGHT**2, mixed, ~outside)
    share = numpy.where(wide & ~narrow, mixed, ~outside)
    return numpy.select([share < CLEAR, share > SOLID], [0, 1], share).astype(numpy.float32)
