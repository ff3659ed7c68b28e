"""Faces cut out upright at a fixed size, and laid back where they were.

Five landmarks are brought onto those of the published template of FFHQ at 512 pixels by a similarity: turned, scaled
and moved, never sheared. Numbers and Pillow pictures; knows no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from PIL import Image as Pillow
from PIL.Image import Image, Resampling, Transform

from easel.media.resize import padded

# Where eyes, nose and the corners of the mouth are in the faces on which restorers are trained, of 512 pixels.
TEMPLATE = ((192.98, 239.95), (318.90, 240.19), (256.63, 314.02), (201.26, 371.41), (313.09, 371.15))
SIDE = 512
BEYOND = (135, 133, 132)  # grey, what those networks were shown beyond a picture's edge
RIM = 4  # pixels by which a picture's edges are drawn out, so that the grey does not show through at them
SOFT = 0.12  # part of a face's side in which it fades into the picture

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Similarity:
    """z -> turn * z + move, over points x + iy: `turn` turns and scales."""

    turn: complex
    move: complex

    @property
    def scale(self) -> float:
        """How much larger things become."""
        return abs(self.turn)

    def back(self) -> Similarity:
        """Return what undoes this."""
        return Similarity(1 / self.turn, -self.move / self.turn)

    def moved(self, by: complex) -> Similarity:
        """Return this and then a step."""
        return Similarity(self.turn, self.move + by)

    def after(self, step: complex) -> Similarity:
        """Return a step and then this."""
        return Similarity(self.turn, self.move + self.turn * step)

    def at(self, point: Point) -> Point:
        """Return where a point comes to."""
        found = self.turn * complex(*point) + self.move
        return found.real, found.imag


def upright(points: Sequence[Point], side: int = SIDE) -> Similarity:
    """Return what brings five landmarks nearest to the template's, by least squares, for faces of `side` pixels."""
    given = numpy.array([complex(*point) for point in points])
    wanted = numpy.array([complex(*point) for point in TEMPLATE]) * (side / SIDE)
    away, aim = given - given.mean(), wanted - wanted.mean()
    spread = float((abs(away) ** 2).sum())
    turn = complex((away.conj() * aim).sum()) / spread if spread else 0
    turn = turn or complex(1)  # points that all lie on one tell no size
    return Similarity(turn, complex(wanted.mean()) - turn * complex(given.mean()))


def warped(image: Image, by: Similarity, size: tuple[int, int], beyond: tuple[int, int, int] | None = None) -> Image:
    """Return what a picture becomes at `size`, smoothed first where it becomes smaller.

    beyond: what stands where there is no picture, a little way off its edges; None for black, at once.
    """
    if by.scale < 1:
        small = tuple(max(1, round(side * by.scale)) for side in image.size)
        across, down = small[0] / image.width, small[1] / image.height
        image = image.resize((small[0], small[1]), Resampling.LANCZOS)
        by = Similarity(by.turn * 2 / (across + down), by.move)
    if beyond:
        image = padded(image, RIM, RIM, RIM, RIM, "edge")
        by = by.after(complex(-RIM, -RIM))
    undo = by.back()
    rows = (undo.turn.real, -undo.turn.imag, undo.move.real, undo.turn.imag, undo.turn.real, undo.move.imag)
    return image.transform(size, Transform.AFFINE, rows, Resampling.BICUBIC, fillcolor=beyond)


def cut_out(image: Image, points: Sequence[Point], side: int = SIDE) -> Image:
    """Return the face with these landmarks upright, side x side pixels."""
    return warped(image.convert("RGB"), upright(points, side), (side, side), BEYOND)


def laid_back(image: Image, face: Image, points: Sequence[Point], visibility: float = 1.0) -> Image:
    """Return an RGB picture with an upright face where it was, fading at its edges; all else is as it was.

    visibility: 0..1, how visibly it is laid over.
    """
    side = face.width
    back = upright(points, side).back()
    corners = [back.at(corner) for corner in ((0, 0), (side, 0), (0, side), (side, side))]
    left, top = (max(0, int(min(place[axis] for place in corners)) - 1) for axis in (0, 1))
    right, bottom = (min(edge, int(max(place[axis] for place in corners)) + 2) for axis, edge in enumerate(image.size))
    if right <= left or bottom <= top:
        return image
    there = back.moved(complex(-left, -top))
    size = right - left, bottom - top
    shares = numpy.asarray(warped(soft_square(side), there, size), numpy.float32)[..., None] / 255 * visibility
    old = numpy.asarray(image.crop((left, top, right, bottom)), numpy.float32)
    new = numpy.asarray(warped(face, there, size), numpy.float32)
    mixed = numpy.rint(old + (new - old) * shares).clip(0, 255).astype(numpy.uint8)
    found = image.copy()
    found.paste(Pillow.fromarray(mixed), (left, top))
    return found


def soft_square(side: int) -> Image:
    """Return a mask, mode L, that is full in the middle and falls smoothly to nothing at all four edges."""
    places = numpy.arange(side) + 0.5
    near = (numpy.minimum(places, side - places) / (SOFT * side)).clip(0, 1)
    smooth = near * near * (3 - 2 * near)
    return Pillow.fromarray(numpy.rint(numpy.outer(smooth, smooth) * 255).astype(numpy.uint8))
