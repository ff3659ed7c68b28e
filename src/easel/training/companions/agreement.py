"""How well a picture keeps to the edges it was led by: one number, for tests, figures and documents.

Knows pictures alone, neither models nor training.
"""

from __future__ import annotations

import numpy
from numpy.typing import NDArray
from PIL import Image

from easel.core.errors import BadValue
from easel.media.hints import hint_of

Places = NDArray[numpy.bool_]
WHITE = 128  # levels from which a hint's pixel is an edge


def edge_agreement(result: Image.Image, hint: Image.Image, tolerance: int = 2) -> float:
    """Return F1 (0 to 1) of a picture's canny edges against those of a hint, white on black.

    An edge pixel is met where the other picture has one no further off than `tolerance` pixels. Precision is the share
    of the result's edge pixels that the hint meets, recall the share of the hint's that the result meets; F1 is their
    harmonic mean, 1 where neither picture has edges. Canny's thresholds are its usual ones, 100 and 200. Raises
    BadValue where the sizes differ.
    """
    if result.size != hint.size:
        raise BadValue("hint's size", hint.size, f"the picture's, {result.size}")
    drawn, wanted = white(hint_of(result, "canny")), white(hint)
    if not drawn.any() and not wanted.any():
        return 1.0
    near_wanted, near_drawn = within(wanted, tolerance), within(drawn, tolerance)
    met = int((drawn & near_wanted).sum()) / max(1, int(drawn.sum()))
    found = int((wanted & near_drawn).sum()) / max(1, int(wanted.sum()))
    return 2 * met * found / (met + found) if met + found else 0.0


def white(hint: Image.Image) -> Places:
    """Return where a hint is white, (height, width)."""
    return numpy.asarray(hint.convert("L")) >= WHITE


def within(places: Places, reach: int) -> Places:
    """Return all places no further than `reach` pixels, as the crow flies, from one of `places`."""
    high, wide = places.shape
    around = numpy.pad(places, reach)
    near = numpy.zeros_like(places)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if down * down + right * right <= reach * reach:
                near |= around[reach + down : reach + down + high, reach + right : reach + right + wide]
    return near
