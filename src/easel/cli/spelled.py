"""Parts of a request as they are typed on the command line: a bare word or FILE first, then NAME=VALUE after commas.

    edges.png,model=starter-edges,weight=0.8,options.low=50

A comma or semicolon parts where NAME= follows it, so that values may hold commas. Which part is typed by which option,
and what its names stand for, is a table; what values may be, the part itself says. Draws nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from easel.core.control import Control, ImagePrompt
from easel.core.detail import Detail
from easel.core.errors import BadValue, UnknownName
from easel.core.finishing import Background, Enlarge, Faces
from easel.core.values import Value

NAME = r"[A-Za-z_]\w*(?:\.[\w-]+)?"
PARTING = re.compile(rf"[,;]\s*(?={NAME}\s*=)")
NAMED = re.compile(rf"({NAME})\s*=(.*)", re.DOTALL)
RESIZE = {"just": "just resize", "crop": "crop and resize", "fill": "resize and fill"}


@dataclass(frozen=True, slots=True)
class Spelling:
    """How one part is typed. flag: its option. value: its class. first: the field of the bare word, "" for none.

    files: fields that hold a picture's file. again: fields of several values, by the name that adds one.
    short: names that stand for a field with others set; left_out: fields that only programs say.
    """

    flag: str
    value: type[Value]
    first: str = ""
    files: tuple[str, ...] = ()
    again: Mapping[str, str] = field(default_factory=dict[str, str])
    short: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict[str, tuple[str, Mapping[str, str]]])
    left_out: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that may be typed before "="."""
        hidden = {*self.left_out, *self.again.values()}
        own = (name for name in self.value.model_fields if name not in hidden)
        return tuple(dict.fromkeys((*own, *self.again, *self.short)))


SPELLINGS: Mapping[str, Spelling] = {
    "controls": Spelling("--control", Control, "image", ("image", "mask", "region"), {"block": "blocks"}),
    "image_prompts": Spelling(
        "--picture", ImagePrompt, "image", ("images", "region"), {"image": "images", "each": "weights"}
    ),
    "details": Spelling(
        "--detail",
        Detail,
        "find",
        ("mask",),
        {"class": "classes"},
        {
            "words": ("find", {"by": "words"}),
            "detector": ("find", {"by": "model"}),
            "mask": ("mask", {"by": "mask"}),
        },
        ("controls",),
    ),
    "enlarge": Spelling("--enlarge", Enlarge, "scale"),
    "faces": Spelling("--faces", Faces, "restorer"),
    "background": Spelling("--background", Background, "model", ("image",)),
}


def spelled(part: str, text: str) -> dict[str, Any]:
    """Return the fields of a part that `text` says, files read. Raises BadValue or UnknownName in the option's words.

    part: a key of SPELLINGS.
    """
    spelling, found = SPELLINGS[part], dict[str, Any]()
    for place, piece in enumerate(PARTING.split(text.strip())):
        named = NAMED.fullmatch(piece.strip())
        if named is None and (place or not spelling.first):
            raise BadValue(spelling.flag, text, "NAME=VALUE, parted by commas")
        if named is None:
            name, value = spelling.first, piece.strip()
            if not value:
                raise BadValue(spelling.flag, text, f"{spelling.first} first, or NAME=VALUE")
        else:
            name, value = named[1], named[2].strip()
        put(spelling, found, name, value)
    return found


def put(spelling: Spelling, found: dict[str, Any], name: str, text: str) -> None:
    """Put what one NAME=VALUE says into the fields `found`. Raises BadValue or UnknownName."""
    outer, dot, inner = name.partition(".")
    if outer not in spelling.names:
        raise UnknownName(f"name in {spelling.flag}", name, spelling.names)
    if dot:
        there = found.setdefault(outer, {})
        if not isinstance(there, dict):
            raise BadValue(f"{spelling.flag} {outer}", text, f"said once, as {outer} or as {outer}.NAME")
        there[inner] = inner_value(spelling, outer, inner, text)
        return
    if outer in spelling.short:
        outer, others = spelling.short[outer]
        found |= others
    several = spelling.again.get(outer)
    if several is not None:
        found.setdefault(several, [])
        found[several] = (*found[several], value_for(spelling, several, text))
    elif outer in found:
        raise BadValue(f"{spelling.flag} {outer}", text, "said once")
    else:
        found[outer] = value_for(spelling, outer, text)


def value_for(spelling: Spelling, name: str, text: str) -> Any:
    """Return the value of a field: a file's bytes, words as they are, else what the text looks like."""
    from easel.cli import wishes
    from easel.cli.pictures import mode_of, picture_bytes

    flag = f"{spelling.flag} {name}"
    if name in spelling.files:
        return picture_bytes(flag, Path(text).expanduser())
    if name == "resize":
        return mode_of(flag, text, RESIZE)
    if name == "colour":
        return colour_of(flag, text)
    if name == "faces":
        return {"restorer": text}
    return text if holds_text(spelling.value.model_fields[name].annotation) else wishes.value_of(text)


def inner_value(spelling: Spelling, outer: str, inner: str, text: str) -> Any:
    """Return the value of a field within a field. Raises BadValue where there is none."""
    from easel.cli import wishes

    arms = get_args(spelling.value.model_fields[outer].annotation)
    value = next((arm for arm in arms if isinstance(arm, type) and issubclass(arm, Value)), None)
    if value is None:
        if outer != "options":
            raise BadValue(f"{spelling.flag} {outer}.{inner}", text, f"said as {outer}=VALUE")
        return wishes.value_of(text)
    if inner not in value.model_fields:
        raise UnknownName(f"name in {spelling.flag} {outer}", inner, tuple(value.model_fields))
    kind = value.model_fields[inner].annotation
    if str(kind).startswith("tuple"):
        return (text,)
    return text if holds_text(kind) else wishes.value_of(text)


def holds_text(kind: Any) -> bool:
    """Return whether a field's type takes text, so that digits in it are none of numbers."""
    return kind is str or any(holds_text(arm) for arm in get_args(kind) if not isinstance(arm, str))


def colour_of(flag: str, text: str) -> str:
    """Return a colour by its name or digits as "#rrggbb", "" for none. Raises BadValue."""
    from easel.media.strokes import paper_colour

    if text in ("", "none", "transparent"):
        return ""
    return "#{:02x}{:02x}{:02x}".format(*paper_colour(text, flag))
