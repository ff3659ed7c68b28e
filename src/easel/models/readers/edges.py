"""Soft edges and scribbles by ControlNet's HED network, and soft edges by TEED: white on black."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy
from PIL import Image

from easel.media.hints.levels import Levels, smoothed
from easel.models.readers.files import Readers
from easel.models.readers.needs import HED, TEED
from easel.models.readers.onepicture import at_multiple, drawn, greys, read_module, run, to_tensor
from easel.models.readers.registry import reader

if TYPE_CHECKING:
    from torch import nn

STEPS = 2  # of brightness in a safe map: black, grey, white
LEAST = 16  # pixels of a side, which HED halves four times
EIGHT = 8  # pixels, of which sides are multiples where TEED looks
PEN = 3.0  # pixels of smoothing before ridges are found, and after
DARKEST_RIDGE, DARKEST_INK = 127, 4  # levels


@reader("softedge-hed", "softedge_hed", label="Soft edges, HED", control="SoftEdge", needs=(HED,))
def softedge_hed(image: Image.Image, readers: Readers) -> Image.Image:
    """Return how likely each pixel is an edge of a thing."""
    return drawn(edges(image, readers))


@reader("softedge-hedsafe", "softedge_hedsafe", label="Soft edges, HED in few steps", control="SoftEdge", needs=(HED,))
def softedge_hedsafe(image: Image.Image, readers: Readers) -> Image.Image:
    """Return the edges in three steps of brightness, which hide what else of the picture shines through."""
    return drawn(stepped(edges(image, readers), STEPS))


@reader("scribble-hed", "scribble_hed", label="Scribble, HED", control="Scribble", needs=(HED,))
def scribble_hed(image: Image.Image, readers: Readers) -> Image.Image:
    """Return the crests of the edges as strokes of one pen."""
    ridges = crests(edges(image, readers))
    ink = smoothed(ridges, PEN) > DARKEST_INK
    return drawn(numpy.where(ink, 255.0, 0.0))


@reader(
    "softedge-teed",
    "softedge_teed",
    label="Soft edges, TEED",
    control="SoftEdge",
    needs=(TEED,),
    limits={"steps": (0, 16)},
)
def softedge_teed(image: Image.Image, readers: Readers, *, steps: int = STEPS) -> Image.Image:
    """Return how likely each pixel is an edge, in `steps` of brightness above black; 0 for all there are."""
    seen = to_tensor(at_multiple(image, EIGHT), 0, 255)
    found = greys(run(readers, readers.network(TEED, read_teed), seen), image.size)
    return drawn(stepped(found, steps) if steps else found)


def stepped(levels: Levels, steps: int) -> Levels:
    """Return levels 0..255 in so many steps above black."""
    return numpy.floor(levels / 255 * (steps + 1)).clip(0, steps) / steps * 255


def edges(image: Image.Image, readers: Readers) -> Levels:
    """Return the levels 0..255 of a picture's edges, (height, width)."""
    network = readers.network(HED, read_hed)
    return greys(run(readers, network, to_tensor(at_multiple(image, 1, LEAST), 0, 255)), image.size)


def crests(levels: Levels) -> Levels:
    """Return 255 where smoothed levels are bright, and a crest along one of four directions."""
    soft = smoothed(levels, PEN)
    around = numpy.pad(soft, 1)
    high, wide = soft.shape
    found = numpy.zeros(soft.shape, bool)
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        after = around[1 + down : 1 + down + high, 1 + right : 1 + right + wide]
        before = around[1 - down : 1 - down + high, 1 - right : 1 - right + wide]
        found |= (soft >= after) & (soft > before)
    return numpy.where(found & (soft > DARKEST_RIDGE), 255.0, 0.0).astype(numpy.float32)


def read_hed(path: Path, home: str) -> nn.Module:
    """Return the network of ControlNetHED.pth."""
    from easel.models.readers.networks.hed import Hed

    return read_module(path, home, Hed)


def read_teed(path: Path, home: str) -> nn.Module:
    """Return the network of TEED's files."""
    from easel.models.readers.networks.teed import Teed

    return read_module(path, home, Teed)
