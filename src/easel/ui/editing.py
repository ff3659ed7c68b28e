"""The controls of the tab "edit" and the parts of a request that they stand for, both ways. Knows no widgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from easel.core.pictures import Mask, Outpaint, Soft, Start
from easel.core.request import Request
from easel.ui.drawn import RECIPES, Drawn, parts_of, size_of

# Controls have the names of the fields that they stand for; those of a mode count in that mode alone.
START = ("strength", "resize", "all_steps", "noise_multiplier", "extra_noise", "match_colours")
MASK = ("blur", "fill", "invert", "only_masked", "padding", "weight")
SOFT = tuple(Soft.model_fields)
OUTPAINT = ("left", "right", "top", "bottom", "feather")
ROOMY = 2  # how many times what a model was trained on a picture's longer side may be, where nobody says
SIDES = ("left", "right", "top", "bottom")
PAINTING = ("inpaint", "inpaint_sketch")
USUAL: Mapping[str, Any] = {
    "mode": "img2img",
    "size": "shape",
    "longest": None,
    "width": 512,
    "height": 512,
    **{name: Start.model_fields[name].default for name in START},
    **{name: Mask.model_fields[name].default for name in MASK},
    "soft": False,
    **{name: Soft.model_fields[name].default for name in SOFT},
    **{name: Outpaint.model_fields[name].default for name in OUTPAINT},
    "reach": 0,
}
NAMES = tuple(USUAL)


def fields_of(values: Mapping[str, Any], drawn: Drawn, side: int) -> dict[str, Any]:
    """Return the fields of a request for what the controls say and what was drawn. Raises BadValue.

    side: of the square in pixels that the model was trained on. Sizes are left to the recipe where the picture keeps
    its own.
    """
    mode = str(values["mode"])
    found: dict[str, Any] = {"recipe": RECIPES.get(mode, "image_to_image"), **parts_of(drawn, mode)}
    found["start"] |= {name: values[name] for name in START}
    if mode in PAINTING:
        found["mask"] |= {name: values[name] for name in MASK}
        if values["soft"]:
            found["mask"]["soft"] = {name: values[name] for name in SOFT}
    if mode == "outpaint":
        found["outpaint"] = {name: values[name] for name in OUTPAINT}
        found["outpaint"]["reach"] = values["reach"] or None
    return found | sides_of(values, drawn, side)


def sides_of(values: Mapping[str, Any], drawn: Drawn, side: int) -> dict[str, int]:
    """Return the width and height that are asked for, none where the picture's or the model's own are meant.

    A masked part that is worked on alone takes the model's own size unless one is named.
    """
    if values["size"] == "own":
        return {"width": values["width"], "height": values["height"]}
    if values["mode"] in PAINTING and values["only_masked"]:
        return {}
    width, height = size_of(drawn)
    longest = int(values["longest"] or ROOMY * side)
    return within(width, height, longest) if max(width, height) > longest else {}


def within(width: int, height: int, longest: int) -> dict[str, int]:
    """Return a size of the same shape, its longer side `longest`, both sides multiples of 8."""
    scale = longest / max(width, height)
    return {name: max(8, round(side * scale / 8) * 8) for name, side in (("width", width), ("height", height))}


def values_of(request: Request) -> dict[str, Any]:
    """Return the controls' values for a request's settings; where it says nothing, what is usual."""
    found = dict(USUAL)
    modes = {"inpaint": "inpaint", "outpaint": "outpaint"}
    found["mode"] = modes.get(request.recipe, "img2img")
    if request.start is not None:
        found |= {name: getattr(request.start, name) for name in START}
    if request.mask is not None:
        found |= {name: getattr(request.mask, name) for name in MASK}
        if request.mask.soft is not None:
            found |= {"soft": True} | {name: getattr(request.mask.soft, name) for name in SOFT}
    if request.outpaint is not None:
        found |= {name: getattr(request.outpaint, name) for name in OUTPAINT}
        found["reach"] = request.outpaint.reach or 0
    if request.start is not None and request.width and request.height:
        found |= {"size": "own", "width": request.width, "height": request.height}
    return found
