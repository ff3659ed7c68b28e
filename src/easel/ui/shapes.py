"""Sizes to choose from: shapes of pictures at the area that a model was trained on. Pure; knows no widgets."""

from __future__ import annotations

from contextlib import suppress
from math import sqrt

from easel.core.errors import EaselError
from easel.models.files.jsonfiles import read_json
from easel.models.layouts.identify import Identity
from easel.models.library.names import Library

RATIOS = {"1:1": 1.0, "4:5": 4 / 5, "2:3": 2 / 3, "9:16": 9 / 16, "5:4": 5 / 4, "3:2": 3 / 2, "16:9": 16 / 9}
CELL = 8  # pixels of which sides are multiples
SIDES = {"sd": 512, "sdxl": 1024, "sd3": 1024, "flux": 1024}  # pixels of the square that a family was trained on
USUAL = 512


def side_of(library: Library, model: str) -> int:
    """Return the side in pixels of the square that a model was trained on; what is not known is taken as 512."""
    with suppress(EaselError):
        return trained_on(library.find(model))
    return USUAL


def trained_on(identity: Identity) -> int:
    """Return the side for what is known of a model's files. Raises ModelError."""
    if identity.family == "sd":
        config = identity.path / "unet" / "config.json"
        if config.is_file():
            return int(read_json(config).get("sample_size", USUAL // CELL)) * CELL
        return 768 if identity.variant == "2.x" and identity.prediction == "v_prediction" else USUAL
    return SIDES.get(identity.family, USUAL)


def shaped(ratio: str, side: int) -> tuple[int, int]:
    """Return width and height in pixels of a shape of RATIOS, as many pixels as a square of `side`, in whole cells."""
    share = sqrt(RATIOS[ratio])
    width, height = (max(CELL, round(length / CELL) * CELL) for length in (side * share, side / share))
    return width, height
