"""What an infotext says of ControlNet, ADetailer and a clip, as the arguments that their clients would send.

Pictures are not in an infotext: a unit without one takes that which its call begins from, or is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from easel.api.a1111.clips import SCRIPT as ANIMATEDIFF
from easel.api.a1111.detailer import SCRIPT as ADETAILER
from easel.api.a1111.detailer import DetailArgs
from easel.api.a1111.unit import SCRIPTS as CONTROLNET
from easel.api.a1111.unit import Unit
from easel.core.errors import Unsupported
from easel.prompt.finished import details_in
from easel.prompt.units import UNIT, is_unit, number_of, parts_of

READER = "ip-adapter-auto"  # the preprocessor by which a unit is an image prompt

# ADetailer's names in an infotext that are no field's name with spaces.
FIELDS = {
    "method to decide top k masks": "ad_mask_filter_method",
    "mask only top k": "ad_mask_k",
    "mask only top k largest": "ad_mask_k",
    "inpaint padding": "ad_inpaint_only_masked_padding",
    "dilate/erode": "ad_dilate_erode",
}

# What is used instead of the picture's own where an infotext tells of it.
USES = {
    "ad_inpaint_width": "ad_use_inpaint_width_height",
    "ad_inpaint_height": "ad_use_inpaint_width_height",
    **{f"ad_{name}": f"ad_use_{name}" for name in ("steps", "cfg_scale", "checkpoint", "vae", "sampler", "clip_skip")},
    "ad_noise_multiplier": "ad_use_noise_multiplier",
}


def scripts_of(said: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call's scripts that always run, with what an infotext says of those that it does not name itself.

    Raises Unsupported for a part of a unit that no call can ask for.
    """
    named = {name.strip().casefold() for name in given}
    found: dict[str, Any] = {}
    units = [unit_said(name, said[name]) for name in sorted(filter(is_unit, said), key=number_of)]
    if units and not named & set(CONTROLNET):
        found["ControlNet"] = {"args": units}
    tabs = [tab_said(tab) for tab in details_in(said).values()]
    if tabs and ADETAILER not in named:
        found["ADetailer"] = {"args": [True, False, *tabs]}
    if "Motion" in said and ANIMATEDIFF not in named:
        found["AnimateDiff"] = {"args": [clip_said(said)]}
    return {**given, **found}


def clip_said(said: Mapping[str, str]) -> dict[str, Any]:
    """Return a clip as a client would send it."""
    fields = {"model": "Motion", "strength": "Motion strength", "fps": "Motion fps", "video_length": "Batch size"}
    found: dict[str, Any] = {field: said[name] for field, name in fields.items() if name in said}
    film = said.get("Motion format", "webp").upper()
    return {"video_length": 1, **found, "enable": True, "closed_loop": "N", "format": [film]}


def unit_said(name: str, text: str) -> dict[str, Any]:
    """Return a unit as a client would send it."""
    parts = parts_of(text)
    for part in parts:
        if part.startswith("option "):
            raise Unsupported(f'infotext "{name}" {part} cannot be asked for by a unit; ask by /v1/jobs.')
    fields: dict[str, Any] = {
        field: value for part, value in parts.items() if (field := part.replace(" ", "_")) in KEPT
    }
    if not UNIT.fullmatch(name):
        fields["module"] = READER
    if "kind" in parts:
        fields["union_control_type"] = parts["kind"]
    if "blocks" in parts:
        fields["advanced_weighting"] = parts["blocks"].split("|")
    return fields


def tab_said(tab: Mapping[str, str]) -> dict[str, Any]:
    """Return a tab of ADetailer as a client would send it."""
    found: dict[str, Any] = {}
    for name, value in tab.items():
        field = FIELDS.get(name, f"ad_{name.casefold().replace(' ', '_')}")
        if field in DetailArgs.model_fields:
            found[field] = value
            found |= {USES[field]: True} if field in USES else {}
    return found


PICTURES = ("image", "mask", "effective_region_mask")
KEPT = frozenset(Unit.model_fields) - frozenset(PICTURES)
