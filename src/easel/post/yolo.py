"""Detectors of Ultralytics' build, exported to ONNX: what ADetailer finds faces, hands and people with.

Redmon et al. 2016 (arXiv:1506.02640) and its successors to this day: exports of version 5, of 8 and later, those whose
network sorts out doubles itself, and those that draw masks (Bolya et al. 2019, arXiv:1904.02689). What is found comes
as regions. Knows no library of files and no requests.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL.Image import Image, Resampling

from easel.core.errors import Mismatch, UnknownName
from easel.post.found import Found
from easel.post.networks import inputs_of, opened, outputs_of, run
from easel.post.regions import Region, boxed

SIDE = 640  # pixels of the input where the file leaves it open
GREY = 114  # beside the picture, as it is trained
MASKS = 32  # numbers of which a mask is made
SHARED = 0.7  # part in common from which two boxes are taken for one thing
MOST = 300  # things found in one picture
SORTED_OUT = 1000  # rows at most of a network that sorts out doubles itself
Numbers = NDArray[numpy.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """A loaded detector. size: width and height of its input; names: of its classes; half: whether it reads float16."""

    path: Path
    session: Any
    size: tuple[int, int]
    names: tuple[str, ...]
    half: bool


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What a network found: boxes (n, 4) as corners in its input's pixels, scores and classes (n,).

    weights: (n, 32) of the masks that it draws, (n, 0) where it draws none.
    """

    boxes: Numbers
    scores: Numbers
    classes: NDArray[numpy.int64]
    weights: Numbers

    def chosen(self, places: Any) -> Rows:
        """Return some of the rows."""
        return Rows(self.boxes[places], self.scores[places], self.classes[places], self.weights[places])


@dataclass(frozen=True, slots=True)
class Fit:
    """How a picture lies in a network's input of `size`: scaled to `inner`, so far from the left and upper edge."""

    size: tuple[int, int]
    scale: float
    left: int
    top: int
    inner: tuple[int, int]


def load_detector(path: Path) -> Detector:
    """Return the detector in an ONNX file. Raises ResourceError without onnxruntime, ModelError naming the file."""
    session = opened(path, "finding regions by a detector")
    shapes, outputs = list(inputs_of(session).values()), list(outputs_of(session).values())
    if len(shapes) != 1 or len(shapes[0]) != 4 or not outputs or len(outputs[0]) != 3:
        raise Mismatch(f"{path}: has not the input and output of an Ultralytics detector; export one to ONNX.")
    told = session.get_modelmeta().custom_metadata_map
    height, width = (side if isinstance(side, int) and side > 0 else SIDE for side in shapes[0][2:])
    return Detector(path, session, (width, height), names_in(told), session.get_inputs()[0].type == "tensor(float16)")


def names_in(told: Any) -> tuple[str, ...]:
    """Return the names of classes that an export tells of, in the order of their numbers; () where it tells none."""
    try:
        names = ast.literal_eval(told.get("names", "{}"))
    except (ValueError, SyntaxError):
        return ()
    if not isinstance(names, dict):
        return ()
    known = cast("dict[Any, Any]", names)
    return tuple(str(known[number]) for number in sorted(known))


def regions_found(image: Image, detector: Detector, *, least: float, classes: Sequence[str] = ()) -> list[Region]:
    """Return what a detector finds in a picture, at least so sure, the surest first; masks where it draws them.

    classes: names or numbers of what is wanted, () for all. Raises UnknownName for one that it does not know.
    """
    wanted = numbers_of(detector, classes)
    given, fit = framed(image, detector)
    outputs = list(run(detector.session, given).values())
    rows = read(detector, outputs[0].astype(numpy.float32))
    rows = rows.chosen(rows.scores >= least)
    if wanted:
        rows = rows.chosen(numpy.isin(rows.classes, wanted))
    rows = rows.chosen(distinct(rows.boxes, rows.scores))
    found = [Found(box, float(score)) for box, score in zip(placed(rows.boxes, fit, image), rows.scores, strict=True)]
    regions = [boxed(one, image.size) for one in found]
    if rows.weights.shape[1] and len(outputs) > 1:
        planes = drawn(rows.weights, outputs[1][0].astype(numpy.float32))
        regions = [within(one, plane, fit, image) for one, plane in zip(regions, planes, strict=True)]
    return [one for one in regions if one.area]


def numbers_of(detector: Detector, classes: Sequence[str]) -> list[int]:
    """Return the numbers of classes given by name or number. Raises UnknownName."""
    folded = [name.casefold() for name in detector.names]
    found: list[int] = []
    for one in classes:
        name = one.strip().casefold()
        if name in folded:
            found.append(folded.index(name))
        elif name.isascii() and name.isdigit() and (not folded or int(name) < len(folded)):
            found.append(int(name))
        else:
            raise UnknownName(f"class of {detector.path.stem}", one, detector.names)
    return found


def framed(image: Image, detector: Detector) -> tuple[NDArray[Any], Fit]:
    """Return a picture as the network reads it, (1, 3, height, width) in 0..1, scaled to fit, grey beside it."""
    width, height = detector.size
    scale = min(width / image.width, height / image.height)
    inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    fit = Fit(detector.size, scale, (width - inner[0]) // 2, (height - inner[1]) // 2, inner)
    frame = Pillow.new("RGB", detector.size, (GREY, GREY, GREY))
    frame.paste(image.convert("RGB").resize(inner, Resampling.BILINEAR), (fit.left, fit.top))
    levels = numpy.asarray(frame, numpy.float32).transpose(2, 0, 1)[None] / 255
    return numpy.ascontiguousarray(levels, numpy.float16 if detector.half else numpy.float32), fit


def read(detector: Detector, output: Numbers) -> Rows:
    """Return what a network's first output says, whichever version's it is. Raises Mismatch for one that is none's."""
    table, count = output[0], len(detector.names)
    rows, columns = table.shape
    if columns in (6, 6 + MASKS) and rows <= SORTED_OUT:
        return Rows(table[:, :4], table[:, 4], table[:, 5].astype(numpy.int64), table[:, 6:])
    if columns > rows:  # since version 8 a column a place, before a row
        return scored(detector, table[:4].T, table[4:].T, count)
    sure = scored(detector, table[:, :4], table[:, 5:], count)
    return Rows(sure.boxes, sure.scores * table[:, 4], sure.classes, sure.weights)


def scored(detector: Detector, boxes: Numbers, rest: Numbers, count: int) -> Rows:
    """Return rows of boxes, given as centres and sides, of scores for each class, and of what draws masks.

    count: of classes; where the file tells none, all is scores.
    """
    count = count or rest.shape[1]
    weights = rest[:, count:]
    if rest.shape[1] < 1 or weights.shape[1] not in (0, MASKS):
        told = f"{count} classes and {rest.shape[1]} numbers beside each box"
        raise Mismatch(f"{detector.path}: has {told}, which is no detector that is known; export it again.")
    scores = rest[:, :count]
    halves = boxes[:, 2:] * numpy.float32(0.5)
    corners = numpy.concatenate([boxes[:, :2] - halves, boxes[:, :2] + halves], 1).astype(numpy.float32)
    return Rows(corners, scores.max(1), scores.argmax(1), weights)


def distinct(boxes: Numbers, scores: Numbers) -> list[int]:
    """Return the rows of the surest of everything that was found several times, the surest first."""
    sizes = numpy.prod(numpy.clip(boxes[:, 2:] - boxes[:, :2], 0, None), 1)
    left = numpy.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(left) and len(kept) < MOST:
        first, left = int(left[0]), left[1:]
        kept.append(first)
        low, high = numpy.maximum(boxes[left, :2], boxes[first, :2]), numpy.minimum(boxes[left, 2:], boxes[first, 2:])
        both = numpy.prod(numpy.clip(high - low, 0, None), 1)
        either = sizes[left] + sizes[first] - both
        left = left[both <= SHARED * either]
    return kept


def placed(boxes: Numbers, fit: Fit, image: Image) -> list[tuple[int, int, int, int]]:
    """Return boxes as they lie in the picture, cut to it."""
    corners = (boxes - numpy.array([fit.left, fit.top] * 2, numpy.float32)) / fit.scale
    limits = numpy.array([image.width, image.height] * 2, numpy.float32)
    whole = corners.clip(0, limits).round().astype(int)
    return [(int(left), int(top), int(right), int(bottom)) for left, top, right, bottom in whole]


def drawn(weights: Numbers, planes: Numbers) -> Numbers:
    """Return the masks, (n, rows, columns) in 0..1, that are made of planes (32, rows, columns)."""
    with numpy.errstate(over="ignore"):
        return 1 / (1 + numpy.exp(-numpy.einsum("nk,khw->nhw", weights, planes)))


def within(region: Region, plane: Numbers, fit: Fit, image: Image) -> Region:
    """Return a region that is what its mask draws within its box."""
    across, down = plane.shape[1] / fit.size[0], plane.shape[0] / fit.size[1]
    part = (fit.left * across, fit.top * down, (fit.left + fit.inner[0]) * across, (fit.top + fit.inner[1]) * down)
    large = Pillow.fromarray(plane).resize(image.size, Resampling.BILINEAR, box=part)
    inside = (numpy.asarray(large) > 0.5) & (numpy.asarray(region.mask) > 0)
    return Region(Pillow.fromarray(numpy.where(inside, 255, 0).astype(numpy.uint8)), region.score)
