"""What infotext tells of a picture's last touches: details (ADetailer), enlarging and faces (A1111's extras), and back.

Names are theirs; a second detail's fields end in " 2nd", a third's in " 3rd", as ADetailer writes them. Knows text and
fields of requests; does not know which detectors and restorers there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from easel.core.detail import Detail
from easel.core.errors import BadValue
from easel.core.finishing import Background, Enlarge, Faces
from easel.prompt.infotext import split_size
from easel.prompt.units import HASHED, Read, control_of, flag, text

DETAIL = re.compile(r"ADetailer (.+?)(?: (\d{1,2})(?:nd|rd|th))?")
ORDINALS = {1: "", 2: " 2nd", 3: " 3rd"}
WORDS, MASK = "words:", "mask"
FACES = "mediapipe_face"
RESTORER = "CodeFormer"  # A1111's usual one, where a picture says no more than that faces were restored


@dataclass(frozen=True, slots=True)
class Touches:
    """Last touches as fields of a request. needs: places of the pictures that an infotext does not keep."""

    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    needs: list[str] = field(default_factory=list[str])


def name(value: str) -> str:
    """Read a file's name without the hash behind it."""
    return HASHED.sub("", value)


def names(value: str) -> tuple[str, ...]:
    """Read several names."""
    return tuple(one.strip() for one in value.split(",") if one.strip())


def among(**words: Any) -> Read:
    """Return the reader of one word of several, case aside; "_" stands for a space."""
    known = {word.replace("_", " "): meaning for word, meaning in words.items()}
    return lambda value: known[value.casefold()]


def restorer(value: str) -> dict[str, Any] | None:
    """Read who restored faces: a name, or no more than that it was done."""
    return {"true": {"restorer": RESTORER}, "false": None}.get(value.casefold(), {"restorer": value})


# ADetailer's names, the fields of a detail, and how each is read. Where a tab uses the picture's own, it says nothing.
TAB: Mapping[str, tuple[str, Read]] = {
    "model classes": ("classes", names),
    "prompt": ("prompt", text),
    "negative prompt": ("negative_prompt", text),
    "confidence": ("confidence", float),
    "method to decide top k masks": (
        "order",
        among(area="area", confidence="confidence", left_to_right="left to right", centre="centre"),
    ),
    "mask only top k": ("most", int),
    "mask only top k largest": ("most", int),
    "mask min ratio": ("least", float),
    "mask max ratio": ("greatest", float),
    "dilate erode": ("grow", int),
    "dilate/erode": ("grow", int),
    "x offset": ("move_x", int),
    "y offset": ("move_y", int),
    "mask merge invert": ("merge", among(none="", merge="merge", merge_and_invert="invert")),
    "mask blur": ("blur", float),
    "denoising strength": ("strength", float),
    "inpaint only masked": ("only_masked", flag),
    "inpaint padding": ("padding", int),
    "inpaint width": ("width", int),
    "inpaint height": ("height", int),
    "steps": ("steps", int),
    "CFG scale": ("cfg_scale", float),
    "checkpoint": ("model", name),
    "sampler": ("sampler", text),
    "scheduler": ("schedule", text),
    "noise multiplier": ("noise_multiplier", float),
    "CLIP skip": ("clip_skip", int),
    "restore face": ("faces", restorer),
}
CONTROL: Mapping[str, str] = {
    "ControlNet model": "model",
    "ControlNet module": "module",
    "ControlNet weight": "weight",
    "ControlNet guidance start": "guidance start",
    "ControlNet guidance end": "guidance end",
}
PARTS: Mapping[str, tuple[str, Read]] = {
    "VAE": ("vae", name),
    "denoiser": ("denoiser", name),
    "text encoders": ("text_encoders", names),
}
SILENT = ("version", "tab enable")  # told of the making; nothing is asked by them
SAME = ("use same sampler", "use same scheduler", "use same checkpoint", "use same vae", "")


def is_touch(name: str) -> bool:
    """Return whether a field of an infotext tells of a last touch."""
    detail = DETAIL.fullmatch(name)
    return is_extra(name) or (detail is not None and known_of_detail(detail.group(1)))


def known_of_detail(name: str) -> bool:
    """Return whether ADetailer has a field of this name."""
    known = {*TAB, *CONTROL, *SILENT, *PARTS, "model"}
    return name in known or name.startswith("use ")


def touches_of(said: Mapping[str, str]) -> Touches:
    """Return the last touches that fields of an infotext tell of. Raises BadValue that names one."""
    found = Touches()
    details: list[dict[str, Any]] = []
    for number, tab in details_in(said).items():
        details.append(detail_of(tab, ordinal(number), found.needs, len(details)))
    if details:
        found.fields["details"] = details
    found.fields.update(extras_of(said, found.needs))
    return found


def details_in(said: Mapping[str, str]) -> dict[int, dict[str, str]]:
    """Return what an infotext says of each detail, by its number from 1: ADetailer's names and their values."""
    tabs: dict[int, dict[str, str]] = {}
    for name, value in said.items():
        if detail := DETAIL.fullmatch(name):
            tabs.setdefault(int(detail.group(2) or 1), {})[detail.group(1)] = value
    return {number: tab for number, tab in sorted(tabs.items()) if "model" in tab}


def ordinal(number: int) -> str:
    """Return what the names of a detail's fields end in: nothing, " 2nd", " 3rd", " 4th"."""
    return ORDINALS.get(number, f" {number}th")


def detail_of(tab: Mapping[str, str], ending: str, needs: list[str], place: int) -> dict[str, Any]:
    """Return a detail's fields, and add the place of its mask to `needs` where it was found by one."""
    fields: dict[str, Any] = finder(tab["model"])
    for told, value in tab.items():
        if told in TAB and value.casefold() not in SAME:
            where, reader = TAB[told]
            fields[where] = read(f"ADetailer {told}{ending}", reader, value)
    if fields.get("most") and "order" not in fields:
        fields["order"] = "area"  # ADetailer's usual
    own = {told: value for told, value in tab.items() if told in PARTS and value.casefold() not in SAME}
    if own:
        fields["components"] = {PARTS[told][0]: PARTS[told][1](value) for told, value in own.items()}
    parts = {CONTROL[told]: value for told, value in tab.items() if told in CONTROL}
    if parts.get("model", "None") != "None":
        fields["controls"] = [control_of(f"ADetailer ControlNet{ending}", parts)]
    mask = {}
    if fields["by"] == MASK:
        needs.append(f"details.{place}.mask")
        mask = {"mask": b"?"}
    checked(Detail, {**fields, **mask}, f"ADetailer{ending}")
    return fields


def finder(model: str) -> dict[str, Any]:
    """Return how a detail's regions were found, from what ADetailer calls the model."""
    folded = model.casefold()
    if folded.startswith(WORDS):
        return {"by": "words", "find": model[len(WORDS) :].strip()}
    if folded.startswith(FACES):
        return {"by": "faces"}
    if folded == MASK:
        return {"by": MASK}
    return {"by": "model", "find": re.sub(r"\.(pt|onnx)$", "", model)}


# A1111's fields of extras and ours of backgrounds, the places that they fill, and how each is read.
EXTRAS: Mapping[str, tuple[str, Read]] = {
    "Postprocess upscale by": ("enlarge.scale", float),
    "Postprocess upscale to": ("enlarge.reached", text),
    "Postprocess crop to": ("enlarge.cropped", text),
    "Postprocess upscaler": ("enlarge.upscaler", text),
    "Postprocess upscaler 2": ("enlarge.second", text),
    "Postprocess upscaler 2 visibility": ("enlarge.second_share", float),
    "Postprocess upscale first": ("enlarge.first", flag),
    "CodeFormer weight": ("faces.CodeFormer", float),
    "Background model": ("background.model", text),
    "Background colour": ("background.colour", text),
    "Background picture": ("background.picture", flag),
    "Background tolerance": ("background.tolerance", float),
    "Background holes": ("background.holes", flag),
    "Background feather": ("background.feather", float),
    "Background mask only": ("background.mask_only", flag),
}
VISIBILITY = re.compile(r"(.+) visibility")  # of a restorer of faces


def is_extra(name: str) -> bool:
    """Return whether a field tells of a picture made larger, of faces restored, or of its background."""
    return name in EXTRAS or VISIBILITY.fullmatch(name) is not None


def extras_of(said: Mapping[str, str], needs: list[str]) -> dict[str, Any]:
    """Return how a picture was made larger, its faces restored and its background removed; to `needs` is added."""
    parts: dict[str, dict[str, Any]] = {"enlarge": {}, "faces": {}, "background": {}}
    faces: list[dict[str, Any]] = []
    for told, value in said.items():
        if told in EXTRAS:
            place, reader = EXTRAS[told]
            part, _, name = place.partition(".")
            parts[part][name] = read(told, reader, value)
        elif restored := VISIBILITY.fullmatch(told):
            faces.append({"restorer": restored.group(1), "visibility": read(told, float, value)})
    for one in faces:
        if one["restorer"] in parts["faces"]:
            one["fidelity"] = parts["faces"][one["restorer"]]
        checked(Faces, one, one["restorer"])
    found: dict[str, Any] = {"faces": faces} if faces else {}
    if parts["enlarge"]:
        found["enlarge"] = enlarging(parts["enlarge"])
    if parts["background"]:
        found["background"] = parts["background"]
        if found["background"].pop("picture", False):
            needs.append("background.image")
        checked(Background, found["background"], "Background")
    return found


def enlarging(said: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an enlargement; of a size of which one side is 0, the other counts."""
    reached, cropped = said.pop("reached", None), said.pop("cropped", None)
    sides = split_size(cropped or reached or "")
    if sides is not None:
        size = {side: pixels for side, pixels in zip(("width", "height"), sides, strict=True) if pixels}
        said |= size if cropped or len(size) < 2 else {**size, "crop": False}
        said.pop("scale", None)
    checked(Enlarge, said, "Postprocess")
    return said


def read(name: str, reader: Read, value: str) -> Any:
    """Return a field's value. Raises BadValue naming the field."""
    try:
        return reader(value)
    except (ValueError, KeyError):
        raise BadValue(f'infotext "{name}"', value, "what A1111 writes there") from None


def checked(kind: type[Detail | Enlarge | Faces | Background], fields: Mapping[str, Any], name: str) -> None:
    """Raise BadValue that names the touch where its fields cannot be."""
    try:
        kind(**fields)
    except BadValue as error:
        where = f'infotext "{name}" {error.field.removeprefix(kind.spoken)}'
        raise BadValue(where, error.got, error.allowed, remedy=error.remedy) from None
