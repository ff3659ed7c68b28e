"""Faces found in a picture, by a detector's file.

One contract for whoever restores or redraws faces: `faces_in`. ONNX files that can be read are rows of
DETECTORS, told by what their networks give; RetinaFace and the cascades of a package stand beside them. Each has its
arithmetic in its own file. Knows no library of files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from easel.core.errors import Mismatch
from easel.post import scrfd, yunet
from easel.post.found import Found, Rows, distinct
from easel.post.networks import Outputs, inputs_of, opened, outputs_of, run

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

LOOKS = (640, 320)  # pixels of the longer side at which a picture is looked at; the second shows faces that fill it
GROWN = 2.0  # how much a small picture is enlarged for that at most


@dataclass(frozen=True, slots=True)
class Detector:
    """A kind of ONNX file.

    fits: whether outputs of such names are its. prepared: pixels (height, width, 3) RGB 0..255 as its network reads
    them, (1, 3, height, width). read: what the network gave, and the size of what it was given, to rows.
    least: the score below which something is no face, as its makers have it.
    """

    words: str
    fits: Callable[[Mapping[str, tuple[Any, ...]]], bool]
    prepared: Callable[[NDArray[numpy.uint8]], NDArray[numpy.float32]]
    read: Callable[[Outputs, tuple[int, int]], Rows]
    least: float


DETECTORS = (
    Detector("YuNet", yunet.fits, yunet.prepared, yunet.read, 0.8),
    Detector("SCRFD", scrfd.fits, scrfd.prepared, scrfd.read, 0.5),
)
STRIDE = 32  # the coarsest cell of all of them, in pixels
NAMES = (
    "YuNet (face_detection_yunet_2023mar.onnx)",
    "SCRFD (det_10g.onnx)",
    "RetinaFace (detection_Resnet50_Final.pth)",
)
KNOWN = f"read are {', '.join(NAMES)}"


@dataclass(frozen=True, slots=True, eq=False)
class Finder:
    """A loaded detector. told: pixels (height, width, 3) RGB 0..255 to everything that it says of them.

    least: the score, 0..1, below which something is no face. fixed: (width, height) that the network insists on, None
    where any multiples of 32 will do.
    """

    words: str
    told: Callable[[NDArray[numpy.uint8]], Rows]
    least: float
    fixed: tuple[int, int] | None = None


def load_finder(path: Path) -> Finder:
    """Return the detector of faces in a file, on the processor: such networks are small.

    Raises ResourceError without the package that reads it, ModelError naming the file where it is no detector that is
    known.
    """
    if path.suffix.casefold() == ".xml":
        return load_cascades(path)
    if path.suffix.casefold() != ".onnx":
        return load_retinaface(path)
    session = opened(path, "finding faces")
    outputs, (given,) = outputs_of(session), inputs_of(session).values() or [()]
    kind = next((kind for kind in DETECTORS if kind.fits(outputs)), None)
    if kind is None or len(given) != 4:
        raise Mismatch(f"{path}: gives {', '.join(outputs)}, which is no face detector's; {KNOWN}.")
    height, width = given[2:]
    fixed = (width, height) if isinstance(width, int) and isinstance(height, int) and width > 0 < height else None
    return Finder(kind.words, partial(told_by, kind, session), kind.least, fixed)


def load_cascades(path: Path) -> Finder:
    """Return the detector that a package brings. Raises ResourceError without it, ModelError naming the file."""
    from easel.post import haar

    return Finder("Haar cascades", haar.load(path), haar.LEAST)


def load_retinaface(path: Path) -> Finder:
    """Return the detector in a file of torch's. Raises ModelError naming the file."""
    from easel.post import retinaface
    from easel.post.architectures import tensors_of

    tensors = tensors_of(path)
    if not retinaface.fits(tensors):
        raise Mismatch(f"{path}: is no face detector; {KNOWN}.")
    return Finder("RetinaFace", partial(retinaface.told, retinaface.load(tensors, path)), retinaface.LEAST)


def told_by(kind: Detector, session: Any, pixels: NDArray[numpy.uint8]) -> Rows:
    """Return everything that an ONNX file's network says of pixels."""
    return kind.read(run(session, kind.prepared(pixels)), (pixels.shape[1], pixels.shape[0]))


def faces_in(image: Image, finder: Finder, *, least: float | None = None) -> list[Found]:
    """Return the faces in a picture, from left to right, with five landmarks each.

    least: 0..1, the score below which something is no face, None for the detector's own. A picture is looked at again
    in small where none is found.
    """
    for look in LOOKS:
        if found := look_at(image, finder, look, finder.least if least is None else least):
            return sorted(found, key=lambda one: one.box[0])
    return []


def look_at(image: Image, finder: Finder, side: int, least: float) -> list[Found]:
    """Return the faces that are found when the longer side of a picture has about `side` pixels, the surest first."""
    room = finder.fixed or (side, side)
    scale = min(room[0] / image.width, room[1] / image.height, side / max(image.size), GROWN)
    small = image.convert("RGB").resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    width, height = finder.fixed or (up(small.width), up(small.height))
    pixels = numpy.zeros((height, width, 3), numpy.uint8)  # what is beyond the picture is black
    pixels[: small.height, : small.width] = numpy.asarray(small)
    rows = finder.told(pixels)
    sure = rows[rows[:, 4] >= least]
    grown = numpy.array((image.width / small.width, image.height / small.height))
    return distinct(one for one in (placed(row, grown, image.size) for row in sure) if one.area > 0)


def up(side: int) -> int:
    """Return the next whole number of cells."""
    return -(-side // STRIDE) * STRIDE


def placed(row: Rows, grown: Rows, size: tuple[int, int]) -> Found:
    """Return what one row (15,) tells, in pixels of the picture of `size`, which is `grown` times as large."""
    corners = numpy.rint(row[:4].reshape(2, 2) * grown).clip(0, size).astype(int).reshape(-1)
    left, top, right, bottom = map(int, corners)
    points = tuple((float(x), float(y)) for x, y in row[5:].reshape(5, 2) * grown)
    return Found((left, top, right, bottom), float(row[4]), points)
