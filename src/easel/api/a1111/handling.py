"""Pictures that are only looked at or made larger, without the queue: extras and png-info."""

from __future__ import annotations

import asyncio
import io
from typing import Any

from fastapi import APIRouter

from easel.api.a1111 import extras
from easel.api.a1111.brought import brought
from easel.api.a1111.house import House
from easel.api.a1111.infotexts import parameters_of
from easel.api.a1111.wire import ExtraImage, ExtraImages, PictureAlone
from easel.api.pictures import file_in, text_of
from easel.core.errors import BadValue
from easel.media.metadata import read_picture_file

MOST_AT_ONCE = 100  # pictures of one call


def add(router: APIRouter, house: House) -> None:
    """Add the routes that take pictures and wait for nobody."""

    @router.post("/sdapi/v1/extra-single-image")
    async def single(wire: ExtraImage) -> dict[str, Any]:
        """Make one picture larger."""
        extras.check(wire)
        wire = await brought(wire, house.doors.addresses)
        file = file_in(wire.image, "image")
        return {"image": text_of(await asyncio.to_thread(extras.enlarged, wire, file, "image")), "html_info": ""}

    @router.post("/sdapi/v1/extra-batch-images")
    async def batch(wire: ExtraImages) -> dict[str, Any]:
        """Make several pictures larger."""
        extras.check(wire)
        if not 1 <= len(wire.imageList) <= MOST_AT_ONCE:
            raise BadValue("imageList", f"{len(wire.imageList)} pictures", f"1 to {MOST_AT_ONCE}")
        wire = await brought(wire, house.doors.addresses)
        files = [file_in(one.data, f"imageList {place}") for place, one in enumerate(wire.imageList)]
        found = [
            await asyncio.to_thread(extras.enlarged, wire, file, f"imageList {place}")
            for place, file in enumerate(files)
        ]
        return {"images": [text_of(file) for file in found], "html_info": ""}

    @router.post("/sdapi/v1/png-info")
    async def png_info(wire: PictureAlone) -> dict[str, Any]:
        """Tell what a picture's file says of its making."""
        wire = await brought(wire, house.doors.addresses)
        return await asyncio.to_thread(said, file_in(wire.image, "image"))

    _ = single, batch, png_info


def said(file: bytes) -> dict[str, Any]:
    """Return the infotext of a picture's file, its other texts, and the infotext's fields."""
    picture = read_picture_file(io.BytesIO(file))
    infotext = picture.infotext or ""
    return {
        "info": infotext,
        "items": {**({"parameters": infotext} if infotext else {}), **picture.texts},
        "parameters": parameters_of(infotext) if infotext else {},
    }
