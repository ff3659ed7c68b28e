"""Line drawings by networks: white lines on black, as control models of line art read them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from easel.models.readers.files import Readers
from easel.models.readers.needs import ANIME, COARSE, SKETCH, Need
from easel.models.readers.onepicture import at_multiple, drawn, greys, read_module, run, to_tensor
from easel.models.readers.registry import reader

if TYPE_CHECKING:
    from torch import nn

SKETCHED = 4  # sides that the sketching network gives back are multiples of this
LEAST = 8  # pixels of a side, of which its middle has a quarter and mirrors one more
ANIMATED = 256  # and the levels of the anime network halve eight times


@reader("lineart-realistic", "lineart_realistic", label="Line art of photographs", control="Lineart", needs=(SKETCH,))
def lineart_realistic(image: Image.Image, readers: Readers) -> Image.Image:
    """Return a photograph as a drawing with all its lines."""
    return sketched(image, readers, SKETCH)


@reader("lineart-coarse", "lineart_coarse", label="Line art, coarse", control="Lineart", needs=(COARSE,))
def lineart_coarse(image: Image.Image, readers: Readers) -> Image.Image:
    """Return a photograph as a drawing with its strongest lines."""
    return sketched(image, readers, COARSE)


@reader("lineart-anime", "lineart_anime", label="Line art of anime", control="Lineart", needs=(ANIME,))
def lineart_anime(image: Image.Image, readers: Readers) -> Image.Image:
    """Return a coloured drawing as its lines."""
    network = readers.network(ANIME, read_anime)
    found = run(readers, network, to_tensor(at_multiple(image, ANIMATED), -1, 1))
    return drawn(255 - greys((found + 1) / 2, image.size))


def sketched(image: Image.Image, readers: Readers, need: Need) -> Image.Image:
    """Return a picture as one of the two sketching networks draws it."""
    network = readers.network(need, read_sketch)
    found = run(readers, network, to_tensor(at_multiple(image, SKETCHED, LEAST), 0, 1))
    return drawn(255 - greys(found, image.size))


def read_sketch(path: Path, home: str) -> nn.Module:
    """Return the network of sk_model.pth or sk_model2.pth."""
    from easel.models.readers.networks.sketch import Sketch

    return read_module(path, home, Sketch)


def read_anime(path: Path, home: str) -> nn.Module:
    """Return the network of netG.pth."""
    from easel.models.readers.networks.anime import Anime

    return read_module(path, home, Anime)
