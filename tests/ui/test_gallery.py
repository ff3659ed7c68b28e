"""What the gallery's grid is told of a picture."""

from __future__ import annotations

import pytest

from easel.core.caller import Caller
from easel.jobs.job import Kept
from easel.jobs.showing import Look
from easel.ui.gallery import shown

MOTION = "a fox\nSteps: 2, Seed: 5, Size: 64x64, Motion: sway"


@pytest.mark.parametrize(
    ("number", "infotext", "format"),
    [
        (0, MOTION, "webp"),
        (0, f"{MOTION}, Motion format: mp4", "mp4"),
        (1, MOTION, ""),
        (0, "a fox\nSteps: 2, Seed: 5, Size: 64x64", ""),
        (0, "Motion: blur\nSteps: 2, Seed: 5, Size: 64x64", ""),  # of the prompt
    ],
)
def test_a_clips_first_frame_stands_for_its_film(number: int, infotext: str, format: str) -> None:
    kept = Kept(file="a.png", seed=5, infotext=infotext, width=64, height=64)
    told = shown(Look("j 1", number, "ann", 0.0, "2026-01-01", kept), Caller("ann", admin=False))
    assert (told["format"], told["film"]) == (format, "/v1/jobs/j%201/film" if format else "")
