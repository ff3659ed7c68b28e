"""The record of a request as AUTOMATIC1111 writes it beside a picture: prompt, negative prompt, one line of fields.

    a red fox, (snow:1.2)
    Negative prompt: blurry
    Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.0, Seed: 1, Size: 512x512, Model: "a, b"

It writes and reads text. It does not know requests (recipes choose the fields), files (media/metadata.py carries the
text), or what a field means; it only knows their order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from easel.core.errors import BadValue

NEGATIVE = "Negative prompt:"
FEWEST_FIELDS = 3  # readers take the last line for fields only when it holds as many

FIRST_FIELDS = (
    "Steps",
    "Sampler",
    "Schedule type",
    "CFG scale",
    "Image CFG scale",
    "Seed",
    "Face restoration",
    "Size",
    "Model hash",
    "Model",
    "FP8 weight",
    "Cache FP16 weight for LoRA",
    "VAE hash",
    "VAE",
    "Variation seed",
    "Variation seed strength",
    "Seed resize from",
    "Denoising strength",
    "Conditional mask weight",
    "Clip skip",
    "ENSD",
    "Token merging ratio",
    "Token merging ratio hr",
    "Init image hash",
    "RNG",
    "Tiling",
)
LAST_FIELDS = ("Machine", "Version", "User")

# A prompt that holds a line "Negative prompt: ..." reads back as something else, so it is kept whole in fields of ours,
# which other readers pass over.
WHOLE_PROMPT, WHOLE_NEGATIVE = "Easel prompt", "Easel negative"

# Possessive quantifiers keep every scan linear, whatever stands in the text.
NAME = re.compile(r"\w[\w \-/]++")
NAME_RULE = "two or more letters, digits, spaces, '-' or '/', a letter or digit first"
NAME_OR_WORDS = re.compile(r"(\w[\w \-/]*+)(:\s*+)?")
QUOTED = re.compile(r'"(?:[^\\"]++|\\.)++"(?=,|$)')
SIZE = re.compile(r"(\d{1,9})x(\d{1,9})")
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Infotext:
    """What an infotext says; fields are texts without quotes, in the order they stand."""

    prompt: str
    negative: str = ""
    fields: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height in pixels, None where "Size" is missing or no size."""
        return split_size(self.fields.get("Size", ""))


def write(prompt: str, negative: str, fields: Mapping[str, str | int | float]) -> str:
    """Return the infotext; fields A1111 knows stand in its order, others after them as given, Machine and Version last.

    Readers strip each line of a prompt, and take a line of one or two fields for a part of the prompt.
    Raises BadValue for a field name that no reader would find.
    """
    given: dict[str, str | int | float] = dict(fields)
    if any(line.strip().startswith(NEGATIVE) for text in (prompt, negative) for line in text.split("\n")):
        given |= {WHOLE_PROMPT: prompt, WHOLE_NEGATIVE: negative}
    parts = [prompt, f"{NEGATIVE} {negative}" if negative else None]
    line = ", ".join(f"{checked(name)}: {quoted(str(given[name]))}" for name in in_order(given))
    return "\n".join(part for part in (*parts, line or None) if part is not None).strip()


def read(text: str) -> Infotext:
    """Return what `text` says, by A1111's rules; any text can be read, at worst as a prompt alone."""
    *lines, last = text.strip().split("\n")
    fields = read_fields(last)
    if len(fields) < FEWEST_FIELDS:
        fields, lines = [], [*lines, last]
    prompt: list[str] = []
    negative: list[str] = []
    current = prompt
    for line in map(str.strip, lines):
        if line.startswith(NEGATIVE):
            current, line = negative, line[len(NEGATIVE) :].strip()
        if line or current:  # empty lines before the first word are dropped
            current.append(line)
    found = dict(fields)
    whole = found.pop(WHOLE_PROMPT, None), found.pop(WHOLE_NEGATIVE, None)
    return Infotext(
        "\n".join(prompt) if whole[0] is None else whole[0],
        "\n".join(negative) if whole[1] is None else whole[1],
        found,
    )


def read_fields(line: str) -> list[tuple[str, str]]:
    """Return names and values of a line of fields, quotes taken off; what is no field is passed over."""
    found: list[tuple[str, str]] = []
    place = 0
    while match := NAME_OR_WORDS.search(line, place):
        name, colon = match.groups()
        start = place = match.end()
        if not colon or len(name) < 2:
            continue
        value = QUOTED.match(line, start)
        end = value.end() if value else line.find(",", start)
        place = len(line) if end < 0 else end
        found.append((name, unquoted(line[start:place])))
        place += 1
    return found


def in_order(names: Iterable[str]) -> list[str]:
    """Return the field names in the order of A1111."""
    rank = {name: place for place, name in enumerate(FIRST_FIELDS)}
    rank |= {name: len(rank) + 1 + place for place, name in enumerate(LAST_FIELDS)}
    return sorted(names, key=lambda name: rank.get(name, len(FIRST_FIELDS)))


def checked(name: str) -> str:
    """Return `name`, or raise BadValue when readers would not find it."""
    if not NAME.fullmatch(name):
        raise BadValue("infotext field", name, NAME_RULE)
    return name


def quoted(value: str) -> str:
    """Return `value` as it stands in the line: as JSON where commas, colons, quotes or outer space would mislead."""
    plain = value and value == value.strip() and value.isprintable() and not value.startswith('"')
    if plain and not any(mark in value for mark in ",:\n"):
        return value
    return SURROGATE.sub(lambda found: f"\\u{ord(found.group()):04x}", json.dumps(value, ensure_ascii=False))


def unquoted(value: str) -> str:
    """Return `value` without its JSON quotes; as it stands where they are none."""
    if len(value) < 2 or not (value.startswith('"') and value.endswith('"')):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def split_size(value: str) -> tuple[int, int] | None:
    """Return width and height of "512x768", None for another text."""
    match = SIZE.fullmatch(value)
    return (int(match.group(1)), int(match.group(2))) if match else None
