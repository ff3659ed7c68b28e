"""From what was typed to requests: prompts, sizes, NAME=VALUE options and counts. No files are written here.

Messages speak of the options that people typed, not of the request's fields.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from easel.core.errors import BadValue, RequestError, UnknownName
from easel.core.limits import OptionValue
from easel.core.request import Request

OPTION_OF_FIELD = {
    "prompt": "prompt",
    "negative_prompt": "--negative",
    "model": "--model",
    "sampler": "--sampler",
    "schedule": "--schedule",
    "steps": "--steps",
    "guidance.scale": "--cfg",
    "guidance.rescale": "--rescale",
    "guidance.start": "--guidance-start",
    "guidance.end": "--guidance-end",
    "seed": "--seed",
    "width": "--size width",
    "height": "--size height",
    "batch_size": "--batch-size",
    "seamless": "--seamless",
    "variation.seed": "--variation-seed",
    "variation.strength": "--variation",
    "variation.resize_from.0": "--seed-size width",
    "variation.resize_from.1": "--seed-size height",
    "ensd": "--ensd",
    "words.emphasis": "--emphasis",
    "words.clip_skip": "--clip-skip",
    "words.comma_backtrack": "--comma-backtrack",
    "refiner.model": "--refiner",
    "refiner.switch_at": "--refiner-at",
    "tiled_decode": "--tiled-decode",
}
EMPHASIS = ("Original", "No norm", "Ignore", "None")


def requests_for(prompts: Iterable[str], fields: Mapping[str, Any], *, batch_count: int = 1) -> list[Request]:
    """Return `batch_count` requests for each prompt, their seeds following one another.

    fields: the request's fields that were given. Raises BadValue or UnknownName.
    """
    if batch_count < 1:
        raise BadValue("--batch-count", batch_count, "at least 1")
    asked: list[Request] = []
    for prompt in prompts:
        if not prompt.strip():
            raise BadValue("prompt", prompt, "words that say what to draw", remedy='for example "a red fox"')
        try:
            first = Request(prompt=prompt, **fields).settled()
            starts = [first.seeds[0] + i * first.batch_size for i in range(batch_count)]
            asked += [Request(**{**fields, "prompt": prompt, "seed": seed}) for seed in starts]
        except BadValue as error:
            option = OPTION_OF_FIELD.get(error.field, error.field)
            raise BadValue(option, error.got, error.allowed, remedy=error.remedy) from None
    return asked


def check_names(request: Request) -> None:
    """Raise UnknownName or BadValue for a sampler, schedule or option that is not known, before torch is loaded."""
    from easel.sampling import checked_options, samplers, schedules, split_joint_name

    if request.sampler is not None:
        name, _ = split_joint_name(request.sampler)
        checked_options(samplers[name], request.sampler_options)
    if request.schedule is not None:
        schedules[request.schedule].checked(request.schedule_options)


def read_prompts(source: str) -> list[str]:
    """Return the prompts of a text file, one a line, or of standard input for "-"; blank and # lines are left out.

    Raises BadValue when the file cannot be read or holds none.
    """
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadValue("--prompts", source, "a text file that can be read", remedy=error.strerror) from None
    except UnicodeDecodeError:
        raise BadValue("--prompts", source, "a text file in UTF-8") from None
    found = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not found:
        raise BadValue("--prompts", source, "a file with a prompt on each line", remedy="this one holds none")
    return found


def size_of(text: str, flag: str = "--size") -> tuple[int, int]:
    """Return width and height from "512x768", or from "512" for a square. Raises BadValue in the words of `flag`."""
    parts = text.casefold().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isascii() and part.strip().isdigit() and len(part) < 9 for part in parts):
        raise BadValue(flag, text, "WIDTHxHEIGHT in pixels", remedy="for example 512x768")
    return int(parts[0]), int(parts[-1])


def no_prompt() -> RequestError:
    """Return the error for a command line without words."""
    return RequestError('no prompt: say what to draw, for example: easel txt2img "a red fox".')


def needs(flag: str, given: object, other: str) -> BadValue:
    """Return the error for an option that says nothing without another."""
    return BadValue(flag, given, f"given together with {other}")


def without_none(**given: Any) -> dict[str, Any]:
    """Return what was given, so that the rest keeps the request's own default."""
    return {name: value for name, value in given.items() if value is not None}


def seed_of(seed: int | None) -> int | None:
    """Return the seed, or None for -1, which draws one as other tools do."""
    return None if seed == -1 else seed


def options_of(flag: str, given: Iterable[str]) -> dict[str, OptionValue]:
    """Return the options among NAME=VALUE texts, their values read as true/false, whole number, number or text.

    Raises BadValue for a text without "=" or a name given twice.
    """
    found: dict[str, OptionValue] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not name or not equals:
            raise BadValue(flag, text, "NAME=VALUE", remedy="for example eta=0.5")
        if name in found:
            raise BadValue(flag, text, "each name once")
        found[name] = value_of(value.strip())
    return found


def value_of(text: str) -> OptionValue:
    """Return `text` as the kind of value it looks like."""
    if text.casefold() in ("true", "false"):
        return text.casefold() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def one_of(flag: str, given: str, known: Iterable[str]) -> str:
    """Return the known spelling of `given`, in any case. Raises UnknownName."""
    names = tuple(known)
    for name in names:
        if name.casefold() == given.strip().casefold():
            return name
    raise UnknownName(flag, given, names)
