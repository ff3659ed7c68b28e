"""Styles: named pieces of prompt that people keep in A1111's styles.csv and add to what they type.

Columns name, prompt, negative_prompt; older files have name, text. A style's text is joined with ", ", or takes the
prompt in where it says {prompt}. This file does not know choices and wildcards, which are expanded after it.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from easel.core.errors import BadValue, StorageError, UnknownName
from easel.core.limits import MAX_PROMPT
from easel.prompt.textfiles import read_text

PLACE = "{prompt}"
COLUMNS = ("name", "prompt", "negative_prompt")
KIND = "styles file"
LONGEST = 5 * MAX_PROMPT  # characters of a prompt before choices are made, so that {prompt} cannot grow without end


@dataclass(frozen=True, slots=True)
class Style:
    """A named piece of prompt; an empty text adds nothing."""

    name: str
    prompt: str = ""
    negative: str = ""


def chosen_styles(names: Sequence[str], file: Path) -> list[Style]:
    """Return the styles of these names; the file is read once, and only where a name is given. Raises UnknownName."""
    known = read_styles(file) if names else {}
    return [named(name, known) for name in names]


def apply_styles(prompt: str, negative: str, names: Iterable[str], styles: Mapping[str, Style]) -> tuple[str, str]:
    """Return both prompts with the named styles applied in order.

    Raises UnknownName for a name that is not in `styles`, BadValue when a prompt grows too long.
    """
    return styled(prompt, negative, [named(name, styles) for name in names])


def named(name: str, styles: Mapping[str, Style]) -> Style:
    """Return the style of that name. Raises UnknownName with the nearest."""
    if name not in styles:
        raise UnknownName("style", name, tuple(styles), listing="`easel prompt styles`")
    return styles[name]


def styled(prompt: str, negative: str, styles: Iterable[Style]) -> tuple[str, str]:
    """Return both prompts with `styles` applied in order. Raises BadValue when one grows too long."""
    for style in styles:
        prompt = joined(prompt, style.prompt, style.name)
        negative = joined(negative, style.negative, style.name)
    return prompt, negative


def joined(prompt: str, text: str, name: str) -> str:
    """Return `prompt` with one style's text: put where the text says {prompt}, else before the text."""
    places = text.count(PLACE)
    if len(text) + max(1, places) * len(prompt) > LONGEST:
        raise BadValue("prompt", prompt, f"at most {LONGEST} characters with style {name!r}")
    if places:
        return text.replace(PLACE, prompt)
    return ", ".join(part for part in (prompt.strip(), text.strip()) if part)


def read_styles(path: Path) -> dict[str, Style]:
    """Return the styles of a file by name, in its order; the later of two with one name holds.

    Raises BadValue that names the file, and the line where there is one.
    """
    return {style.name: style for style in rows(read_text(path, KIND), path)}


def rows(text: str, path: Path) -> Iterator[Style]:
    """Yield the styles in the text of a file; `path` stands in messages."""
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    try:
        headings = reader.fieldnames
        if headings is None:  # an empty file
            return
        column = next((one for one in ("prompt", "text") if one in headings), None)
        if column is None or "name" not in headings:
            raise BadValue(f"{KIND} {path} line 1", ",".join(headings), f"the headings {','.join(COLUMNS)}")
        for row in reader:
            where = f"{KIND} {path} line {reader.line_num}"
            if None in row:
                raise BadValue(
                    where, row["name"], f"{len(headings)} columns", remedy='quote a text with commas: "a, b"'
                )
            name, prompt, negative = row["name"], row[column], row.get("negative_prompt")
            if not name or prompt is None:
                raise BadValue(where, name, "a style with a name and a prompt")
            yield Style(name, prompt, negative or "")
    except csv.Error as error:
        where = f"{KIND} {path} line {reader.line_num + 1}"  # where the row begins; the last good one ended before it
        raise BadValue(where, str(error), "comma-separated, quoted text") from None


def write_styles(path: Path, styles: Iterable[Style]) -> None:
    """Write a file that A1111 and read_styles read back the same; what stood there is replaced when all is written.

    Raises BadValue for a style without a name or not valid Unicode, StorageError when the file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)  # readers skip the space that leads a cell without quotes
    writer.writerow(COLUMNS)
    for style in styles:
        if not style.name:
            raise BadValue("style name", style.name, "at least one character")
        writer.writerow((style.name, style.prompt, style.negative))
    try:
        content = text.getvalue().encode("utf-8-sig")
    except UnicodeEncodeError as error:
        raise BadValue("style", error.object[error.start], "valid Unicode text") from None
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise StorageError(f"{path}: cannot be written; {error.strerror}.") from None
