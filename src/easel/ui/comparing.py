"""Two pictures side by side: how far their pixels are apart, and which words and settings differ.

Reads files and texts; knows no widgets.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from easel.ui.told import Told, told

if TYPE_CHECKING:
    from easel.media.compare import Difference

Side = Literal["both", "first", "second"]
PROMPT, NEGATIVE = "Prompt", "Negative prompt"  # how A1111 calls what stands above its settings
PIECE = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of both pictures, "" where a picture does not tell it."""

    name: str
    first: str
    second: str

    @property
    def differs(self) -> bool:
        """Whether the two pictures have it otherwise."""
        return self.first != self.second


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two pictures have in common. pixels: None where their sizes differ. settings: in the files' order."""

    first: Told
    second: Told
    pixels: Difference | None
    settings: tuple[Setting, ...]


def compared(first: bytes, second: bytes) -> Comparison:
    """Return how two pictures' files compare. Raises BadValue for what is no whole PNG, JPEG or WebP."""
    from easel.media.compare import difference
    from easel.media.reading import open_image

    one, other = told(first), told(second)
    pixels = difference(open_image(first, "first picture"), open_image(second, "second picture"))
    return Comparison(one, other, pixels, settings_of(one, other))


def settings_of(one: Told, other: Told) -> tuple[Setting, ...]:
    """Return the settings of two pictures, words first; those that the second alone tells stand last."""
    words = [Setting(PROMPT, one.prompt, other.prompt), Setting(NEGATIVE, one.negative, other.negative)]
    names = dict.fromkeys([*one.settings, *other.settings])
    rest = [Setting(name, one.settings.get(name, ""), other.settings.get(name, "")) for name in names]
    return (*words, *rest)


def pieces(first: str, second: str) -> Iterator[tuple[Side, str]]:
    """Yield the words of two texts as one text: what both say, what the first alone says, what the second does."""
    a, b = PIECE.findall(first), PIECE.findall(second)
    for kind, start, end, other_start, other_end in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if kind == "equal":
            yield "both", "".join(a[start:end])
            continue
        if end > start:
            yield "first", "".join(a[start:end])
        if other_end > other_start:
            yield "second", "".join(b[other_start:other_end])
