"""Hints to look at before anything is drawn: what a preprocessor makes of a picture, made at once and kept nowhere."""

from __future__ import annotations

import threading
from typing import Any

from easel.core.caller import Caller
from easel.core.errors import BadValue
from easel.ui.drawn import data_url, file_of
from easel.ui.house import House
from easel.ui.live import Function, Wishes
from easel.ui.parts.reading import options_of

LONGEST = 1024  # pixels of the shorter side at which a hint to look at is drawn at most
FIELD = "controls.image"


def hints_of(house: House) -> Function:
    """Return the function that draws the hint of a "row", from its own picture or from "start". One at a time."""
    room = threading.BoundedSemaphore(1)

    def hint(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        from easel.media.reading import open_image, png_bytes
        from easel.models.readers import hint_of

        row = wishes.get("row")
        row = row if isinstance(row, dict) else {}
        picture = row.get("image") or wishes.get("start")
        if not picture:
            raise BadValue(FIELD, None, "a picture")
        image = open_image(file_of(picture, FIELD), FIELD)
        asked = row.get("resolution")
        resolution = int(asked) if asked and not row.get("pixel_perfect") else None
        if resolution is None and min(image.size) > LONGEST:
            resolution = LONGEST
        mask = open_image(file_of(row["mask"], "controls.mask"), "controls.mask") if row.get("mask") else None
        with room:
            name = str(row.get("preprocessor", "canny"))
            made = hint_of(
                image, name, resolution=resolution, options=options_of(row), library=house.library, mask=mask
            )
        return {"picture": data_url(png_bytes(made)), "width": made.width, "height": made.height}

    return hint
