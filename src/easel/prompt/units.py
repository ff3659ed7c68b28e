"""How infotext tells of what led a picture beside its words: "ControlNet 0" as A1111's extension has it, and back.

    ControlNet 0: "Module: canny, Model: edges [d14c016b], Weight: 0.8, ..., Control Mode: Balanced"

Names and meanings are that extension's; what it has no name for has one of ours, which it passes over. Pictures are not
in an infotext: what came with a picture of its own is told, so that whoever reads it back can ask for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from easel.core.control import Control, ImagePrompt
from easel.core.errors import BadValue
from easel.core.limits import OptionValue
from easel.prompt.dials import DIALS, options_of, takes_whole
from easel.prompt.fields import option_value

UNIT = re.compile(r"ControlNet (\d{1,2})")
PROMPT = re.compile(r"Image prompt (\d{1,2})")
PART = re.compile(r", (?=\w[\w/ ]{0,40}: )")  # between the parts of a unit
HASHED = re.compile(r" \[[0-9a-f]{6,64}\]$")
PAIR = re.compile(r"\(([^,()]*), ?([^,()]*)\)")
TRIPLE = re.compile(r"\(([^,()]*), ?([^,()]*), ?([^,()]*)\)")
IP_ADAPTER = "ip-adapter"  # preprocessors of A1111's that begin so make a unit an image prompt

GIVEN, START = "given", "start"  # what is said of a picture: that there was one, or that the start picture led
MODES = {
    "balanced": "Balanced",
    "prompt": "My prompt is more important",
    "control": "ControlNet is more important",
}
PASSES = {"both": "Both", "first": "Low res only", "second": "High res only"}
RESIZES = {
    "just resize": "Just Resize",
    "crop and resize": "Crop and Resize",
    "resize and fill": "Resize and Fill",
    "latent resize": "Latent Resize",
}


@dataclass(frozen=True, slots=True)
class Units:
    """What led a picture, as fields of its request. needs: places of the pictures that an infotext does not keep."""

    controls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    image_prompts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    needs: list[str] = field(default_factory=list[str])

    @property
    def fields(self) -> dict[str, Any]:
        """What led, by its place in a request; what did not is left out."""
        parts = {"controls": self.controls, "image_prompts": self.image_prompts}
        return {name: value for name, value in parts.items() if value}


def control_text(
    control: Control, model: str | None = None, usual: Mapping[str, OptionValue] = MappingProxyType({})
) -> str:
    """Return what infotext says of a control. model: its name as it is shown, with a hash where one is known.

    usual: the preprocessor's options where none are given; A1111's extension tells of Threshold A and B in any case.
    """
    said: dict[str, Any] = {"Module": control.preprocessor, "Model": model or control.model or "None"}
    said |= {"Weight": control.weight, "Resize Mode": RESIZES[control.resize]}
    said |= resolution_text(control)
    said |= options_text(control.preprocessor, control.options, usual)
    said |= {"Guidance Start": control.start, "Guidance End": control.end, "Pixel Perfect": control.pixel_perfect}
    said |= {"Control Mode": MODES[control.mode]} | passes_text(control)
    said |= {"Kind": control.kind} if control.kind else {}
    said |= {"Blocks": numbers_text(control.blocks)} if control.blocks else {}
    said |= {"Image": START} if control.image is None else {}
    return joined(said | {name: GIVEN for name in ("Mask", "Region") if getattr(control, name.casefold()) is not None})


def prompt_text(prompt: ImagePrompt) -> str:
    """Return what infotext says of an image prompt."""
    said: dict[str, Any] = {"Model": prompt.model, "Weight": prompt.weight, "Images": len(prompt.images)}
    said |= {"Reader": prompt.reader} if prompt.reader else {}
    said |= {"Weights": numbers_text(prompt.weights)} if prompt.weights else {}
    said |= {"Combine": prompt.combine} if prompt.combine != "beside" else {}
    said |= {"Guidance Start": prompt.start, "Guidance End": prompt.end} | passes_text(prompt)
    return joined(said | ({"Region": GIVEN} if prompt.region is not None else {}))


def resolution_text(control: Control) -> dict[str, Any]:
    """Return the resolution of a control, by a name of ours where A1111's readers pass theirs over."""
    if control.resolution is None:
        return {}
    return {"Resolution" if takes_whole(control.preprocessor) else "Processor Res": control.resolution}


def options_text(
    module: str, options: Mapping[str, OptionValue], usual: Mapping[str, OptionValue]
) -> dict[str, OptionValue]:
    """Return the options of a preprocessor: as Threshold A and B where A1111 has them so, by their own names else."""
    found: dict[str, OptionValue] = {}
    told: set[str] = set()
    for letter, dial in zip("AB", DIALS.get(module.strip().casefold(), ()), strict=False):
        value = options.get(dial.option, usual.get(dial.option, ""))
        if not isinstance(value, str) and value >= 0:  # one below 0 would say nothing
            found[f"Threshold {letter}"] = value / dial.factor
            told.add(dial.option)
    return found | {f"Option {name}": value for name, value in options.items() if name not in told}


def passes_text(unit: Control | ImagePrompt) -> dict[str, str]:
    """Return which pass of a hires fix a unit leads, where it is not both."""
    return {"Hr Option": PASSES[unit.passes]} if unit.passes != "both" else {}


def numbers_text(numbers: tuple[float, ...]) -> str:
    """Return numbers as one value."""
    return "|".join(number_text(number) for number in numbers)


def number_text(value: Any) -> str:
    """Return a value as A1111 writes it: a whole number without its point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def joined(said: Mapping[str, Any]) -> str:
    """Return the parts of a unit as one text."""
    return ", ".join(f"{name}: {number_text(value)}" for name, value in said.items())


def is_unit(name: str) -> bool:
    """Return whether a field of an infotext tells of a control or an image prompt."""
    return bool(UNIT.fullmatch(name) or PROMPT.fullmatch(name))


def units_of(said: Mapping[str, str]) -> Units:
    """Return what led a picture, from the fields of its infotext that tell of it. Raises BadValue that names one."""
    found = Units()
    for name in sorted((name for name in said if is_unit(name)), key=number_of):
        parts = parts_of(said[name])
        module = parts.get("module", "none").casefold()
        if PROMPT.fullmatch(name) or module.startswith(IP_ADAPTER):
            take_prompt(found, name, parts)
        else:
            take_control(found, name, parts)
    return found


def number_of(name: str) -> tuple[str, int]:
    """Return what units are ordered by."""
    kind, _, number = name.rpartition(" ")
    return kind, int(number)


def parts_of(text: str) -> dict[str, str]:
    """Return the parts of a unit by name, in small letters; those that old versions wrote together are taken apart."""
    named = (part.partition(": ") for part in PART.split(text))
    found = {name.strip().casefold(): value.strip() for name, _, value in named}
    if "preprocessor" in found:
        found["module"] = found.pop("preprocessor")
    if both := PAIR.fullmatch(found.pop("starting/ending", "")):
        found |= {"guidance start": both.group(1), "guidance end": both.group(2)}
    if three := TRIPLE.fullmatch(found.pop("preprocessor params", "")):
        found |= dict(zip(("processor res", "threshold a", "threshold b"), three.groups(), strict=True))
    return found


def take_control(found: Units, name: str, parts: Mapping[str, str]) -> None:
    """Add a control, and the places of its pictures."""
    place = f"controls.{len(found.controls)}"
    found.controls.append(control_of(name, parts))
    found.needs.extend([f"{place}.image"] if parts.get("image") != START else [])
    found.needs.extend(f"{place}.{part}" for part in ("mask", "region") if part in parts)


def control_of(name: str, parts: Mapping[str, str]) -> dict[str, Any]:
    """Return a control's fields, without its pictures. Raises BadValue that names the unit's part."""
    fields = read_parts(name, parts, {**SHARED, **CONTROL})
    if "resolution" not in parts and (takes_whole(parts.get("module", "none")) or fields.get("resolution", 0) <= 0):
        fields.pop("resolution", None)
    if options := read_options(name, parts):
        fields["options"] = options
    checked(Control, name, fields)
    return fields


def take_prompt(found: Units, name: str, parts: Mapping[str, str]) -> None:
    """Add an image prompt, and the places of its pictures."""
    fields = read_parts(name, parts, {**SHARED, **ADAPTER})
    count = int(fields.pop("images", 1))
    checked(ImagePrompt, name, {**fields, "images": (b"?",) * count})
    place = f"image_prompts.{len(found.image_prompts)}"
    found.needs.extend(f"{place}.images.{number}" for number in range(count))
    found.needs.extend([f"{place}.region"] if "region" in parts else [])
    found.image_prompts.append(fields)


Read = Callable[[str], Any]


def text(value: str) -> str:
    """Read a text as it stands."""
    return value


def model(value: str) -> str | None:
    """Read a model's name, without the hash behind it; "None" is none."""
    return None if value == "None" else HASHED.sub("", value)


def flag(value: str) -> bool:
    """Read "True" and "False"."""
    return {"true": True, "false": False}[value.casefold()]


def among(words: Mapping[str, str]) -> Read:
    """Return the reader of one word of several, case aside."""
    known = {word.casefold(): meaning for meaning, word in words.items()}
    return lambda value: known[value.casefold()]


def count(value: str) -> int:
    """Read how many pictures there were, 1 to 99."""
    if not re.fullmatch(r"[1-9]\d?", value):
        raise ValueError(value)
    return int(value)


def whole(value: str) -> int:
    """Read a whole number, which old versions wrote with a point."""
    return int(float(value))


def numbers(value: str) -> tuple[float, ...]:
    """Read several numbers."""
    return tuple(float(one) for one in value.split("|"))


# Parts of a unit, the fields that they are, and how each is read.
SHARED: Mapping[str, tuple[str, Read]] = {
    "model": ("model", model),
    "weight": ("weight", float),
    "guidance start": ("start", float),
    "guidance end": ("end", float),
    "hr option": ("passes", among(PASSES)),
}
CONTROL: Mapping[str, tuple[str, Read]] = {
    "module": ("preprocessor", lambda value: "none" if value == "None" else value),
    "resize mode": ("resize", among(RESIZES)),
    "processor res": ("resolution", whole),
    "resolution": ("resolution", whole),
    "pixel perfect": ("pixel_perfect", flag),
    "control mode": ("mode", among(MODES)),
    "kind": ("kind", text),
    "blocks": ("blocks", numbers),
}
ADAPTER: Mapping[str, tuple[str, Read]] = {
    "images": ("images", count),
    "reader": ("reader", text),
    "weights": ("weights", numbers),
    "combine": ("combine", text),
}


def read_parts(name: str, parts: Mapping[str, str], readers: Mapping[str, tuple[str, Read]]) -> dict[str, Any]:
    """Return the fields that the parts of a unit are. Raises BadValue naming the part that cannot be read."""
    found: dict[str, Any] = {}
    for part, (place, reader) in readers.items():
        if part not in parts:
            continue
        try:
            found[place] = reader(parts[part])
        except (ValueError, KeyError, OverflowError):
            raise BadValue(f'infotext "{name}" {part}', parts[part], "what A1111's ControlNet writes there") from None
    return found


def read_options(name: str, parts: Mapping[str, str]) -> dict[str, OptionValue]:
    """Return the options of a unit's preprocessor."""
    thresholds = (read_parts(name, parts, {f"threshold {letter}": (letter, float)}) for letter in "ab")
    given = (told.get(letter, -1.0) for letter, told in zip("ab", thresholds, strict=True))
    found: dict[str, OptionValue] = {**options_of(parts.get("module", ""), *given)}
    for part, value in parts.items():
        if part.startswith("option "):
            found[part.removeprefix("option ")] = option_value(value)
    return found


def checked(kind: type[Control | ImagePrompt], name: str, fields: Mapping[str, Any]) -> None:
    """Raise BadValue that names the unit where its fields cannot be."""
    try:
        kind(**fields)
    except BadValue as error:
        where = f'infotext "{name}" {error.field.removeprefix(kind.spoken)}'
        raise BadValue(where, error.got, error.allowed, remedy=error.remedy) from None
