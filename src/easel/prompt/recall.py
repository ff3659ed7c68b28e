"""From an infotext back to the request that it records, by A1111's rules for what is missing and for old versions.

It reads text. It does not know which samplers and models there are, nor files: pictures that a request began from are
named as needed and given by whoever has them.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, cast

from easel.core.errors import BadValue
from easel.core.request import Request
from easel.prompt.finished import is_touch, touches_of
from easel.prompt.infotext import Infotext
from easel.prompt.readers import Places, read_field
from easel.prompt.units import is_unit, units_of

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
STARTING = ("detail", "process")  # recipes that always begin from a picture
ABSENT = b"?"  # stands for a picture's file while the rest is checked
NO_PICTURES: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a picture's metadata says of the request that made it.

    fields: of core.Request, as far as they were said, without pictures. ignored: what no request can hold or Easel does
    not know, by name. needs: pictures that the request was made with and no metadata keeps: "start", "mask", and what
    stands deeper by its place, such as "controls.0.image".
    facts: what is told of the making and asked of nobody: "Version", "Model hash", "Machine".
    """

    fields: Mapping[str, Any]
    source: Source
    ignored: Mapping[str, str] = field(default_factory=dict[str, str])
    needs: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def frame(self) -> int:
        """Which of the request's pictures it is: its place in a clip, whose frames are only drawn together, else 0."""
        place = self.facts.get("Batch pos", "") if "motion" in self.fields else ""
        return int(place) if place.isascii() and place.isdecimal() and len(place) < 9 else 0

    def request(
        self, *, start: bytes | None = None, mask: bytes | None = None, pictures: Mapping[str, bytes] = NO_PICTURES
    ) -> Request:
        """Return the request, with the files of the pictures it needs. Raises BadValue for one too few or too many.

        pictures: those that stand deeper, by place. Without a file for the mask it is the start picture's own
        transparency.
        """
        given = {"start": start, "mask": mask, **pictures}
        for name, file in given.items():
            if file is not None and name not in self.needs:
                raise BadValue(called(name), f"{len(file)} bytes", "none", remedy="this picture was made without")
        fields = copy.deepcopy(dict(self.fields))
        for name in self.needs:
            file = given.get(name)
            if file is not None:
                put(fields, name, file)
            elif name != "mask":
                raise BadValue(called(name), None, "a picture's file", remedy="metadata keeps no pictures")
        return Request(**fields)


def called(place: str) -> str:
    """Return what a picture is called in a message, from its place."""
    return f"picture {place}" if "." in place else f"{place} picture"


def put(fields: Any, place: str, file: bytes) -> None:
    """Put a picture's file at a place among a request's fields; of several in one place they come in order."""
    inside, name = home_of(fields, place)
    inside[name] = [*inside.get(name, ()), file] if place.rpartition(".")[2].isdigit() else file


def home_of(fields: Any, place: str) -> tuple[dict[str, Any], str]:
    """Return the values that a picture stands among, and its name there, made where they are not there."""
    *outer, last = place.split(".") if "." in place else (place, "image")
    if last.isdigit():
        *outer, last = outer
    inside: Any = fields
    for name in outer:
        inside = inside[int(name)] if name.isdigit() else inside.setdefault(name, {})
    return inside, last


def recall(said: Infotext) -> Recalled:
    """Return the request that an infotext records. Raises BadValue that names the field of the infotext."""
    facts = {name: value for name, value in said.fields.items() if name in FACTS}
    source: Source = "easel" if facts.get("Version", "").startswith(EASEL) else "a1111"
    found: Places = {"prompt": said.prompt, "negative_prompt": said.negative}
    names = {"prompt": "prompt", "negative_prompt": "negative prompt"}
    ignored: dict[str, str] = {}
    for name, value in said.fields.items():
        if name in FACTS or value in SILENT.get(name, ("",)) or is_unit(name) or is_touch(name):
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
    if "motion.model" in found:
        as_clip(found, facts)
    units, touches = units_of(said.fields), touches_of(said.fields)
    found |= units.fields | touches.fields
    if source == "a1111":
        as_a1111(found, said, ignored)
    return recalled(
        found, lambda place: spoken(place, names), source, ignored, facts, deeper=(*units.needs, *touches.needs)
    )


def recalled(
    found: Places,
    spoken: Callable[[str], str],
    source: Source,
    ignored: Mapping[str, str],
    facts: Mapping[str, str] | None = None,
    *,
    deeper: Sequence[str] = (),
) -> Recalled:
    """Return what was found, checked as a request; a BadValue names what `spoken` makes of a place in the request.

    deeper: places of pictures within its parts.
    """
    parts = parts_of(found)
    begins = bool(parts & FROM_PICTURES) or found.get("recipe") in STARTING
    needs = (*(part for part in PICTURES if part in parts or (part == "start" and begins)), *deeper)
    fields = nested(copy.deepcopy(found))
    for place in needs:
        put(fields, place, ABSENT)
    try:
        request = Request(**fields)
    except BadValue as error:
        raise BadValue(spoken(error.field), error.got, error.allowed, remedy=error.remedy) from None
    checked = {name: listed(value) for name, value in request.model_dump(exclude_unset=True).items()}
    for place in needs:
        inside, name = home_of(checked, place)
        inside.pop(name, None)
    return Recalled(checked, source, dict(ignored), needs, dict(facts or {}))


def listed(value: Any) -> Any:
    """Return parts of a request that come several times as a list; other values as they are."""
    if not isinstance(value, tuple):
        return value
    parts = cast("tuple[Any, ...]", value)
    return list(parts) if parts and isinstance(parts[0], dict) else parts


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
    if found.get("recipe") in STARTING:  # the size told is the picture's, which says itself how large it is
        for side in ("width", "height"):
            found.pop(side, None)


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


def as_clip(found: Places, facts: Mapping[str, str]) -> None:
    """Ask for the whole clip of a frame: as many frames, from the first one's seed."""
    size, place = (facts.get(name, "") for name in ("Batch size", "Batch pos"))
    if not all(text.isascii() and text.isdecimal() and len(text) < 9 for text in (size, place)):
        return
    found["batch_size"] = size
    counted = "variation.seed" if "variation.strength" in found else "seed"
    seed = str(found.get(counted, ""))
    if seed.isascii() and seed.isdecimal():
        found[counted] = int(seed) - int(place)


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
