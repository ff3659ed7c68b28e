"""Backgrounds removed by networks in ONNX files: rembg's, BRIA's RMBG and BiRefNet, each fed as it was published.

A table of how each wants to see a picture, by the file's name, and one function. Knows no weights beside the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray
from PIL import Image

from easel.core.errors import Mismatch, UnknownName, Unsupported
from easel.models.library.kinds import KINDS
from easel.models.readers.files import like
from easel.models.readers.onnx import Onnx

if TYPE_CHECKING:
    from pathlib import Path

    from easel.models.library.names import Library
    from easel.models.readers.files import Readers

Shares = NDArray[numpy.floating[Any]]

KIND = "background"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
ONES, HALVES = (1.0, 1.0, 1.0), (0.5, 0.5, 0.5)

REMBG = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"
OWN = ("u2net", "u2netp", "u2net_human_seg", "silueta", "isnet-general-use", "isnet-anime")  # called so there too
GETS = {
    **{name: f"{REMBG}/{name}.onnx" for name in OWN},
    "birefnet-general": f"{REMBG}/BiRefNet-general-epoch_244.onnx",
    "bria-rmbg": f"{REMBG}/bria-rmbg-2.0.onnx",
    "rmbg-1.4": "hf:briaai/RMBG-1.4/onnx/model.onnx",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a network sees a picture and speaks. side: in pixels, of the square that it sees where its file does not say.

    mean, deviation: of each channel, in 0..1. brightest: whether the picture's greatest level counts as 1. logits:
    whether what it gives is yet to become shares. stretched: whether its least and greatest answers become 0 and 1.
    """

    side: int
    mean: tuple[float, float, float] = MEAN
    deviation: tuple[float, float, float] = DEVIATION
    brightest: bool = False
    logits: bool = False
    stretched: bool = False


U2NET = Look(320, brightest=True, stretched=True)
ISNET = Look(1024, deviation=ONES, brightest=True, stretched=True)
LOOKS: dict[str, Look] = {
    "u2net*": U2NET,
    "silueta*": U2NET,
    "isnet*": ISNET,
    "birefnet*": Look(1024, logits=True),
    "rmbg-1*": Look(1024, HALVES, ONES, stretched=True),
    "rmbg-2*": Look(1024),
    "bria-rmbg*": Look(1024),
}


def background_remover(name: str, readers: Readers) -> tuple[Onnx, Look]:
    """Return the network of a file by its name, and how it sees.

    Raises UnknownName or BadValue, Unsupported where nobody knows how it sees or onnxruntime is not there, and
    Incomplete for a broken file.
    """
    path = remover_file(name, readers.library)
    look = next((look for pattern, look in LOOKS.items() if fnmatch(like(path.stem), pattern)), None)
    if look is None:
        known = ", ".join(pattern.rstrip("*") for pattern in LOOKS)
        raise Unsupported(f"{path}: how this network sees is told by its name, which begins with none of {known}.")
    return readers.program(path), look


def remover_file(name: str, library: Library | None) -> Path:
    """Return the file of a background remover.

    Raises Unsupported for a published one that is not there, telling how to get it; UnknownName or BadValue.
    """
    try:
        if library is None:
            raise UnknownName(KINDS[KIND].words, name, ("flat",))
        return library.find_file(KIND, name)
    except UnknownName:
        source = next((GETS[known] for known in GETS if like(known) == like(name.strip())), "")
        if not source:
            raise
        command = f"easel models download {source} --kind {KIND} --name {name.strip().casefold()}"
        where = f"put its .onnx file into the folder {KINDS[KIND].folders[0]} of your models"
        raise Unsupported(f"background remover {name!r} is not there; `{command}` gets it, or {where}.") from None


def learned_mask(image: Image.Image, name: str, readers: Readers) -> Image.Image:
    """Return how much of each pixel of an RGB picture is no background, mode L. Raises as background_remover() does."""
    network, look = background_remover(name, readers)
    high, wide = network.sides or (look.side, look.side)
    small = image.resize((wide, high), Image.Resampling.LANCZOS)
    levels = numpy.asarray(small, numpy.float32)
    levels = levels / (max(float(levels.max()), 1e-6) if look.brightest else 255)
    seen = (levels - numpy.array(look.mean)) / numpy.array(look.deviation)
    found = network.run(seen.transpose(2, 0, 1)[None])[0]
    if found.ndim not in (3, 4) or found.shape[0] != 1:
        raise Mismatch(f"{network.path}: gives {found.shape}, needed is a mask (1, 1, height, width).")
    share = in_shares(found.reshape(-1, *found.shape[-2:])[0], look)
    mask = Image.fromarray((share * 255).round().astype(numpy.uint8))
    return mask.resize(image.size, Image.Resampling.LANCZOS)


def in_shares(found: Shares, look: Look) -> Shares:
    """Return what a network gives as shares, 0..1."""
    found = found.astype(numpy.float32)
    if look.logits:
        found = 1 / (1 + numpy.exp(-found.clip(-60, 60)))
    least, greatest = float(found.min()), float(found.max())
    if look.stretched and greatest > least:
        found = (found - least) / (greatest - least)
    return found.clip(0, 1)
