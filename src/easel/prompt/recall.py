"""From an infotext back to the request that it records, by A1111's rules for what is missing and for old versions.

It reads text. It does not know which samplers and models there are, nor files: pictures that a request began from are
named as needed and given by whoever has them.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from easel.core.errors import BadValue
from easel.core.request import Request
from easel.prompt.infotext import Infotext
from easel.prompt.readers import Places, read_field

Source = Literal["easel", "a1111", "comfyui"]

# Told of the making; nothing is asked by them.
FACTS = (
    "Version",
    "Model hash",
    "Machine",
    "FP8 weight",
    "VAE hash",
    "Init image hash",
    "Lora hashes",
    "TI hashes",
    "Batch size",
    "Batch pos",
    "User",
)

# Values that say "as usual".
SILENT: Mapping[str, tuple[str, ...]] = {
    "Token merging ratio": ("", "0", "0.0"),
    "Face restoration": ("", "None"),
    "Hires checkpoint": ("", "Use same checkpoint"),
}

EASEL = "Easel "  # how our "Version" begins
PICTURES = ("start", "mask")
FROM_PICTURES = {"start", "mask", "outpaint", "tiles"}  # parts of a request that no request has without a start picture
RECIPES = {"outpaint": "outpaint", "tiles": "tiled_upscale", "mask": "inpaint", "start": "image_to_image"}
MODULES = "components.text_encoders"
ABSENT = b"?"  # stands for a picture's file while the rest is checked


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a picture's metadata says of the request that made it.

    fields: of core.Request, as far as they were said, without pictures. ignored: what no request can hold or Easel does
    not know, by name. needs: pictures that the request began from and no metadata keeps: "start", "mask".
    facts: what is told of the making and asked of nobody: "Version", "Model hash", "Machine".
    """

    fields: Mapping[str, Any]
    source: Source
    ignored: Mapping[str, str] = field(default_factory=dict[str, str])
    needs: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict[str, str])

    def request(self, *, start: bytes | None = None, mask: bytes | None = None) -> Request:
        """Return the request, with the files of the pictures it needs. Raises BadValue for one too few or too many.

        Without a file for the mask it is the start picture's own transparency.
        """
        fields = copy.deepcopy(dict(self.fields))
        if "start" in self.needs and start is None:
            raise BadValue("start picture", None, "a picture's file", remedy="metadata keeps no pictures")
        for name, file in (("start", start), ("mask", mask)):
            if name not in self.needs and file is not None:
                raise BadValue(f"{name} picture", f"{len(file)} bytes", "none", remedy="this picture was made without")
            if file is not None:
                fields.setdefault(name, {})["image"] = file
        return Request(**fields)


def recall(said: Infotext) -> Recalled:
    """Return the request that an infotext records. Raises BadValue that names the field of the infotext."""
    facts = {name: value for name, value in said.fields.items() if name in FACTS}
    source: Source = "easel" if facts.get("Version", "").startswith(EASEL) else "a1111"
    found: Places = {"prompt": said.prompt, "negative_prompt": said.negative}
    names = {"prompt": "prompt", "negative_prompt": "negative prompt"}
    ignored: dict[str, str] = {}
    for name, value in said.fields.items():
        if name in FACTS or value in SILENT.get(name, ("",)):
            continue
        places = read_field(name, value)
        if places is None:
            ignored[name] = value
            continue
        found |= places
        names |= dict.fromkeys(places, name)
    for before in ("", "hires."):
        split_joint(found, before)
    settle_parts(found, names, ignored)
    if source == "a1111":
        as_a1111(found, said, ignored)
    return recalled(found, lambda place: spoken(place, names), source, ignored, facts)


def recalled(
    found: Places,
    spoken: Callable[[str], str],
    source: Source,
    ignored: Mapping[str, str],
    facts: Mapping[str, str] | None = None,
) -> Recalled:
    """Return what was found, checked as a request; a BadValue names what `spoken` makes of a place in the request."""
    parts = parts_of(found)
    needs = tuple(part for part in PICTURES if part in parts or (part == "start" and parts & FROM_PICTURES))
    fields = nested(found)
    for part in needs:
        fields.setdefault(part, {})["image"] = ABSENT
    try:
        request = Request(**fields)
    except BadValue as error:
        raise BadValue(spoken(error.field), error.got, error.allowed, remedy=error.remedy) from None
    checked = request.model_dump(exclude_unset=True)
    for part in needs:
        del checked[part]["image"]
    return Recalled(checked, source, dict(ignored), needs, dict(facts or {}))


def nested(found: Places) -> dict[str, Any]:
    """Return dotted places as values within values."""
    fields: dict[str, Any] = {}
    for place, value in found.items():
        *outer, last = place.split(".") if "_options." not in place else split_option(place)
        inside = fields
        for part in outer:
            inside = inside.setdefault(part, {})
        inside[last] = value
    return fields


def split_option(place: str) -> list[str]:
    """Return the parts of an option's place; its own name may hold anything."""
    owner, _, option = place.partition("_options.")
    return [*f"{owner}_options".split("."), option]


def spoken(place: str, names: Mapping[str, str]) -> str:
    """Return a place in a request as the field of the infotext that filled it."""
    near = [known for known in names if place == known or place.startswith(known + ".")]
    return f'infotext "{names[max(near, key=len)]}"' if near else f"infotext {place}"


JOINT = {" karras": "Karras", " exponential": "Exponential", " sgmuniform": "SGM Uniform", "_ka": "Karras"}


def split_joint(found: Places, before: str) -> None:
    """Split an old joint name of a sampler and its schedule, such as "DPM++ SDE Karras"; it outweighs a schedule."""
    sampler = str(found.get(f"{before}sampler", "")).strip()
    for ending, schedule in JOINT.items():
        if sampler.casefold().endswith(ending):
            found |= {f"{before}sampler": sampler[: -len(ending)].strip(), f"{before}schedule": schedule}


def settle_parts(found: Places, names: dict[str, str], ignored: dict[str, str]) -> None:
    """Say which part of a request the fields that stand alone belong to, and by which recipe the picture was made.

    A mask without blur is not spoken of, so that silence means none.
    """
    named = [part for part, recipe in RECIPES.items() if recipe == found.get("recipe")]
    if "mask" in named or "mask" in parts_of(found):
        found.setdefault("mask.blur", 0)
    hires, pictures = "hires" in parts_of(found), parts_of(found) & FROM_PICTURES
    homes = {
        "strength": "start.strength" if pictures or not hires else "hires.strength",
        "extra_noise": "start.extra_noise" if pictures or not hires else None,
        "mask_weight": "mask.weight" if "mask" in pictures else None,
    }
    for place, home in homes.items():
        if place not in found:
            continue
        value = found.pop(place)
        if home is None:
            ignored[names[place]] = str(value)
        else:
            found[home], names[home] = value, names[place]
    join_modules(found)
    if "refiner.switch_at" in found and "refiner.model" not in found:
        ignored[names["refiner.switch_at"]] = str(found.pop("refiner.switch_at"))
    recipe = next((recipe for part, recipe in RECIPES.items() if part in parts_of(found)), None)
    if recipe:
        found.setdefault("recipe", recipe)
    if "outpaint" in parts_of(found):
        shrink(found)


def join_modules(found: Places) -> None:
    """Put the files that infotext counts from 1 into one value."""
    counted = sorted(place for place in found if place.startswith(f"{MODULES}."))
    if counted:
        found[MODULES] = tuple(found.pop(place) for place in counted)


def shrink(found: Places) -> None:
    """Bring the size of a grown picture, which is what infotext tells, back to the size before it grew.

    A side that is no multiple of 8 then was the start picture's own, which is what a request without it takes.
    """
    for side, ends in (("width", ("left", "right")), ("height", ("top", "bottom"))):
        margins = [str(found.get(f"outpaint.{end}", 0)) for end in ends]
        size = found.pop(side, 0)
        if size and all(margin.isascii() and margin.isdigit() and len(margin) < 9 for margin in margins):
            first = size - sum(map(int, margins))
            if first >= 8 and first % 8 == 0:
                found[side] = first


def parts_of(found: Places) -> set[str]:
    """Return the fields of a request that places stand in."""
    return {place.split(".")[0] for place in found}


VERSION = re.compile(r"v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?!\w)")


def as_a1111(found: Places, said: Infotext, ignored: dict[str, str]) -> None:
    """Fill what A1111 leaves out because it is usual there, and what its old versions did otherwise.

    Its noise comes from the graphics card unless it says so, which "NV" imitates.
    """
    found.setdefault("noise", "NV")
    if "sampler" in found:
        found.setdefault("schedule", "Automatic")
    match = VERSION.match(said.fields.get("Version", ""))
    if match is None:
        return
    version = tuple(int(part or 0) for part in match.groups())
    if version < (1, 6, 0) and "[" in said.prompt:
        found.setdefault("words.old_editing", True)
    if version < (1, 8, 0) and "refiner.model" in found:
        ignored["Refiner switch by sampling steps"] = "True"
