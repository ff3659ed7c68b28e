"""The routes of A1111's ControlNet: which models and preprocessors there are, and hints drawn for who asks.

Also what ADetailer tells of itself. How a unit leads a drawing stands in units.py.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body

from easel.api.a1111 import hints, modules
from easel.api.a1111.brought import brought
from easel.api.a1111.detailer import DetailArgs
from easel.api.a1111.house import House
from easel.api.a1111.wire import Detect
from easel.api.pictures import file_in, text_of
from easel.core.control import MOST_UNITS
from easel.core.errors import BadValue
from easel.core.version import version
from easel.models.library.names import Library

PATHS = ("/controlnet/", "/adetailer/")
VERSION = 3  # of the interface that these routes have
MOST_AT_ONCE = 16  # pictures of one call
WORDS = ("words: face", "words: hands", "words: person")  # examples; any words do
FACES = ("mediapipe_face_full", "mediapipe_face_short")


def add(router: APIRouter, house: House) -> None:
    """Add the routes that list, and those that draw hints."""
    library = house.doors.library

    @router.get("/controlnet/version")
    async def interface() -> dict[str, int]:
        """Tell the version of the interface."""
        return {"version": VERSION}

    @router.get("/controlnet/settings")
    async def settings() -> dict[str, int]:
        """Tell how many units a call may have."""
        return {"control_net_unit_count": MOST_UNITS}

    @router.get("/controlnet/model_list")
    async def models(update: bool = True) -> dict[str, list[str]]:
        """List control models. update: look at every folder first."""
        if update:
            await asyncio.to_thread(library.refresh)
        return {"model_list": await asyncio.to_thread(modules.model_names, library)}

    @router.get("/controlnet/module_list")
    async def module_list(alias_names: bool = False) -> dict[str, Any]:
        """List preprocessors and their sliders. alias_names: by their labels."""
        return await asyncio.to_thread(modules.module_facts, aliases=alias_names)

    @router.get("/controlnet/control_types")
    async def control_types() -> dict[str, Any]:
        """List the kinds of control with what goes with each."""
        return {"control_types": await asyncio.to_thread(modules.control_kinds, library)}

    @router.post("/controlnet/detect")
    async def detect(wire: Detect) -> dict[str, Any]:
        """Draw the hint of each picture; of people's poses tell the points too."""
        if not 1 <= len(wire.controlnet_input_images) <= MOST_AT_ONCE:
            count = len(wire.controlnet_input_images)
            raise BadValue("controlnet_input_images", f"{count} pictures", f"1 to {MOST_AT_ONCE}")
        wire = await brought(wire, house.doors.addresses)
        files = [file_in(one, f"controlnet_input_images {at}") for at, one in enumerate(wire.controlnet_input_images)]
        masks = [file_in(one, f"controlnet_masks {at}") for at, one in enumerate(wire.controlnet_masks or ())]
        if masks and len(masks) != len(files):
            raise BadValue("controlnet_masks", f"{len(masks)} masks", f"one for each of {len(files)} pictures, or none")
        async with house.looking:
            return await asyncio.to_thread(hints.detected, wire, files, masks, library)

    @router.post("/controlnet/render_openpose_json")
    async def render(poses: Annotated[list[dict[str, Any]], Body()]) -> dict[str, Any]:
        """Draw people's poses from OpenPose's JSON."""
        if not 1 <= len(poses) <= MOST_AT_ONCE:
            raise BadValue("poses", f"{len(poses)} of them", f"1 to {MOST_AT_ONCE}")
        async with house.looking:
            found = await asyncio.to_thread(hints.rendered, poses)
        return {"images": [text_of(file) for file in found], "info": "Success"}

    @router.get("/adetailer/v1/version")
    async def detailer_version() -> dict[str, str]:
        """Tell who speaks here."""
        return {"version": f"Easel {version()}"}

    @router.get("/adetailer/v1/schema")
    async def detailer_schema() -> dict[str, Any]:
        """Tell the fields of one of ADetailer's tabs."""
        return DetailArgs.model_json_schema()

    @router.get("/adetailer/v1/ad_model")
    async def detailer_models() -> dict[str, list[str]]:
        """List what finds regions."""
        return {"ad_model": await asyncio.to_thread(finders, library)}

    _ = interface, settings, models, module_list, control_types, detect, render
    _ = detailer_version, detailer_schema, detailer_models


def finders(library: Library) -> list[str]:
    """Return the detectors' files, then what finds regions without one."""
    return [*(entry.path.name for entry in library.entries("detector")), *FACES, *WORDS]
