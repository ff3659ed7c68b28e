"""Prompts from a file, a request a line: plain words, or A1111's options for one request.

    a fox
    --prompt "a whale" --negative_prompt "fog" --steps 30 --seed 7 --width 128 --height 192 --cfg_scale 6

Blank lines and lines that begin with # are left out.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from easel.core.errors import BadValue, UnknownName

MOST_LINES = 10_000


def number(text: str) -> int | float:
    """Return a number, whole where it is written so. Raises ValueError."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def truth(text: str) -> bool:
    """Return yes or no as A1111 reads it."""
    return text.strip().casefold() in ("true", "1", "yes")


# A1111's option to (path of the request's field, how its value is read).
OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "prompt": ("prompt", str),
    "negative_prompt": ("negative_prompt", str),
    "sd_model": ("model", str),
    "sampler_name": ("sampler", str),
    "scheduler": ("schedule", str),
    "steps": ("steps", number),
    "cfg_scale": ("guidance.scale", number),
    "seed": ("seed", number),
    "subseed": ("variation.seed", number),
    "subseed_strength": ("variation.strength", number),
    "seed_resize_from_w": ("seed_w", number),
    "seed_resize_from_h": ("seed_h", number),
    "width": ("width", number),
    "height": ("height", number),
    "batch_size": ("batch_size", number),
    "tiling": ("seamless", lambda text: "xy" if truth(text) else ""),
}


def read_prompts(source: str) -> list[dict[str, Any]]:
    """Return the request fields of each line of a text file, or of standard input for "-".

    Raises BadValue when the file cannot be read or holds none, and for a line that cannot be read, by its number.
    """
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadValue("--prompts", source, "a text file that can be read", remedy=error.strerror) from None
    except UnicodeDecodeError:
        raise BadValue("--prompts", source, "a text file in UTF-8") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    found = [fields_of(line, number) for number, line in lines if line and not line.startswith("#")]
    if not found:
        raise BadValue("--prompts", source, "a file with a prompt on each line", remedy="this one holds none")
    if len(found) > MOST_LINES:
        raise BadValue("--prompts", f"{len(found)} lines", f"at most {MOST_LINES}")
    return found


def fields_of(line: str, place: int) -> dict[str, Any]:
    """Return the request fields of one line. Raises UnknownName for an option, BadValue for its value."""
    if not line.startswith("--"):
        return {"prompt": line}
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise BadValue(f"line {place}", line, "options with their quotes closed", remedy=str(error)) from None
    fields: dict[str, Any] = {}
    while words:
        flag = words.pop(0)
        name = flag.removeprefix("--")
        if not flag.startswith("--") or name not in OPTIONS:
            raise UnknownName(f"option on line {place}", name, tuple(OPTIONS))
        value: list[str] = []
        while words and not (words[0].startswith("--") and words[0][2:] in OPTIONS):
            value.append(words.pop(0))
        path, read = OPTIONS[name]
        try:
            put(fields, path, read(" ".join(value)))
        except ValueError:
            raise BadValue(f"--{name} on line {place}", " ".join(value), "a number") from None
    width, height = fields.pop("seed_w", 0), fields.pop("seed_h", 0)
    if width and height:
        put(fields, "variation.resize_from", (width, height))
    for name in ("seed", "variation"):
        part = fields.get(name)
        if part == -1:
            del fields[name]
        elif isinstance(part, dict) and part.get("seed") == -1:
            del part["seed"]
    return fields


def put(fields: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a path of at most two names."""
    head, _, rest = path.partition(".")
    if rest:
        fields.setdefault(head, {})[rest] = value
    else:
        fields[head] = value
