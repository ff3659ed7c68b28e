"""What the tab "enlarge" asks for: a picture made larger with its own words and settings, or with those of the form.

What the form says wins over what the picture's file tells, and that over the model's habits. Knows no widgets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from easel.core.errors import BadValue
from easel.core.pictures import Start
from easel.core.request import Request
from easel.models.library.names import Library
from easel.ui.form import nested, silent
from easel.ui.replaying import model_here
from easel.ui.told import told

TILES, WHOLE, PLAIN = "tiles", "whole", "plain"  # tile by tile; in one piece; or with nothing drawn anew
CELL = 8  # pixels, of which sides are multiples

# What a picture's own file may tell of how it is drawn again larger; parts, sizes and seeds' variations are its past.
OWN = (
    *("prompt", "negative_prompt", "words", "model", "components", "sampler", "sampler_options", "schedule"),
    *("schedule_options", "steps", "guidance", "seed", "ensd", "noise"),
)
# The form's values: places in core.Request, and three that are none.
USUAL: Mapping[str, Any] = {
    "how": TILES,
    "own": True,
    "scale": 2.0,
    "start.strength": 0.3,
    "start.match_colours": False,
    "start.all_steps": False,
    "tiles.upscaler": "Lanczos",
    "tiles.overlap": 64,
    "width": None,
    "height": None,
    "prompt": "",
    "negative_prompt": "",
    "model": "",
    "sampler": "",
    "steps": None,
    "guidance.scale": None,
    "seed": None,
    "preview_every": 0,
}
NAMES = tuple(USUAL)


def enlarging(file: bytes, values: Mapping[str, Any], library: Library) -> Request:
    """Return the request that makes a picture's file larger as the form says. Raises RequestError."""
    said = {name: value for name, value in values.items() if not silent(value)}
    how, scale = said.pop("how"), float(said.pop("scale"))
    own = own_fields(file) if said.pop("own", False) else {}
    if isinstance(said.get("seed"), int | float) and said["seed"] < 0:
        del said["seed"]
    fields = merged(own, nested(said))
    if "model" in own and "model" not in said:
        fields["model"] = model_here(str(own["model"]), str(own.get("hash", "")), library)
    fields.pop("hash", None)
    fields["start"]["image"] = file
    if how == TILES:
        fields["tiles"]["scale"] = scale
        return Request(recipe="tiled_upscale", **fields)
    fields.pop("tiles", None)
    fields["width"], fields["height"] = larger(file, scale)
    return Request(recipe="image_to_image", **fields)


def plainly(file: bytes, parts: Mapping[str, Any]) -> Request:
    """Return the request that works on a picture's file as parts say, drawing nothing. Raises RequestError."""
    if not parts:
        raise BadValue("parts", None, "something to do", remedy="add what shall become of the pictures")
    return Request(recipe="process", start=Start(image=file), seed=0, **parts)


def own_fields(file: bytes) -> dict[str, Any]:
    """Return what a picture's file tells of its making, as far as OWN has it; "hash" is of its model.

    Nothing of a file that tells nothing, and the words alone where the rest cannot be understood.
    """
    try:
        found = told(file)
    except BadValue:  # a kind of picture that carries no settings; whether it is one, the request's check will say
        return {}
    if found.recalled is None:
        return {"prompt": found.prompt, "negative_prompt": found.negative}
    own = {name: value for name, value in found.recalled.fields.items() if name in OWN}
    return own | {"hash": found.recalled.facts.get("Model hash", "")}


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return values within values, those of `over` where both have them."""
    found = {**under, **over}
    for name, value in over.items():
        below = under.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            found[name] = merged(below, value)
    return found


def larger(file: bytes, scale: float) -> tuple[int, int]:
    """Return the size of a picture's file times `scale`, in whole cells. Raises BadValue for no picture."""
    from easel.media.reading import open_image

    image = open_image(file, "picture")
    width, height = (max(CELL, round(side * scale / CELL) * CELL) for side in image.size)
    return width, height
