"""Emphasis in a prompt: text to fragments with weights, and back, with the meaning AUTOMATIC1111 gives it.

    (a) times 1.1    [a] times 1/1.1    (a:1.3) times 1.3    BREAK a new chunk    \\( \\) \\[ \\] \\\\ the character

Products nest; an unmatched opening bracket lasts to the end, an unmatched closing one is text. Round and square
brackets pair independently. This file does not know prompt editing, AND or alternation: those choose, before it, which
text holds at a step. Nor does it know what a weight does to a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

ROUND = 1.1
SQUARE = 1 / 1.1
HEAVIEST = 1000.0  # half precision overflows soon beyond it, and no picture is left long before
DEEPEST = 64  # brackets nested deeper still pair but weigh nothing: it keeps any text linear, and 1.1 ** 64 is 446

# Possessive quantifiers: no text can make the scanner try a place twice.
TOKEN = re.compile(
    r"""\\(?P<escaped>[()\[\]\\]?)
      | (?P<opening>[(\[])
      | :\s*+(?P<weight>[+-]?+(?:\d++\.?+\d*+|\.\d++))\s*+\)
      | (?P<closing>[)\]])
      | (?P<plain>[^\\()\[\]:]++|:)""",
    re.VERBOSE,
)
NOTHING = "\\"  # a lone backslash parses to a piece without text
BREAK_WORD = re.compile(r"\bBREAK\b")
SPECIAL = re.compile(r"[()\[\]\\]")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a prompt that is tokenised on its own, and its weight, -1000..1000."""

    text: str
    weight: float = 1.0

    @property
    def is_break(self) -> bool:
        """Whether this ends a chunk; a BREAK inside emphasis has another weight and is, as in A1111, a mere word."""
        return self.text == "BREAK" and self.weight == -1.0


BREAK = Fragment("BREAK", -1.0)


@dataclass(slots=True)
class _Piece:
    text: str
    weight: float = 1.0


class _Pieces:
    """The pieces read so far and the brackets still open."""

    def __init__(self) -> None:
        self.pieces: list[_Piece] = []
        self.open: dict[str, list[tuple[int, bool]]] = {"(": [], "[": []}

    def add(self, text: str) -> None:
        self.pieces.append(_Piece(text))

    def add_plain(self, text: str) -> None:
        """Add text in which the word BREAK, with the space around it, stands for the end of a chunk."""
        parts = BREAK_WORD.split(text)
        for place, part in enumerate(parts):
            if place > 0:
                self.pieces.append(_Piece(BREAK.text, BREAK.weight))
                part = part.lstrip()
            self.add(part.rstrip() if place < len(parts) - 1 else part)

    def begin(self, bracket: str) -> None:
        depth = sum(len(stack) for stack in self.open.values())
        self.open[bracket].append((len(self.pieces), depth < DEEPEST))

    def end(self, bracket: str, factor: float) -> bool:
        """Close the last open `bracket`; False where none is open."""
        if not self.open[bracket]:
            return False
        start, counts = self.open[bracket].pop()
        if counts:
            for piece in self.pieces[start:]:
                piece.weight *= factor
        return True

    def end_all(self) -> None:
        for bracket, factor in (("(", ROUND), ("[", SQUARE)):
            while self.end(bracket, factor):
                pass


def parse_attention(text: str) -> tuple[Fragment, ...]:
    """Return the fragments of a prompt in order, at least one; neighbours of equal weight are one. Never fails."""
    found = _Pieces()
    for token in TOKEN.finditer(text):
        kind, value = token.lastgroup, token.group(token.lastgroup or 0)
        match kind:
            case "escaped":
                found.add(value)
            case "opening":
                found.begin(value)
            case "weight":
                if not found.end("(", limited(float(value))):
                    found.add(token.group())
            case "closing":
                bracket, factor = ("(", ROUND) if value == ")" else ("[", SQUARE)
                if not found.end(bracket, factor):
                    found.add(value)
            case _:
                found.add_plain(value)
    found.end_all()
    return merged((piece.text, limited(piece.weight)) for piece in found.pieces)


def merged(pieces: Iterable[tuple[str, float]]) -> tuple[Fragment, ...]:
    """Return fragments in which neighbours of equal weight are joined; one empty fragment where there is none."""
    runs: list[tuple[list[str], float]] = []
    for text, weight in pieces:
        if runs and runs[-1][1] == weight:
            runs[-1][0].append(text)
        else:
            runs.append(([text], weight))
    return tuple(Fragment("".join(texts), weight) for texts, weight in runs) or (Fragment(""),)


def limited(weight: float) -> float:
    """Return `weight` within -HEAVIEST..HEAVIEST."""
    return max(-HEAVIEST, min(HEAVIEST, weight))


def to_text(fragments: Sequence[Fragment]) -> str:
    """Return a prompt that parses to `fragments`, provided they came from parse_attention."""
    bare = [
        stands_as_break(before, fragment, after)
        for before, fragment, after in zip((None, *fragments), fragments, (*fragments[1:], None), strict=False)
    ]
    printed: list[str] = []
    for place, fragment in enumerate(fragments):
        beside_break = any(bare[max(0, place - 1) : place + 2])
        if bare[place]:
            printed.append(" BREAK " if fragments[place - 1].text else "BREAK ")
        elif fragment.weight == 1.0 and (fragment.text or beside_break or len(fragments) == 1):
            printed.append(escaped(fragment.text))  # the word BREAK makes the empty fragments beside it
        else:
            printed.append(f"({escaped(fragment.text) or NOTHING}:{plain_number(fragment.weight)})")
    return "".join(printed)


def stands_as_break(before: Fragment | None, fragment: Fragment, after: Fragment | None) -> bool:
    """Whether the bare word BREAK would parse to `fragment` between these neighbours."""
    return (
        fragment.is_break
        and before is not None
        and after is not None
        and before.weight == after.weight == 1.0
        and before.text == before.text.rstrip()
        and after.text == after.text.lstrip()
    )


def escaped(text: str) -> str:
    """Return `text` so that it parses as itself; a lone backslash splits the word BREAK."""
    return BREAK_WORD.sub(r"B\\REAK", SPECIAL.sub(r"\\\g<0>", text))


def plain_number(value: float) -> str:
    """Return the shortest decimal without exponent that reads back as `value`."""
    return format(Decimal(repr(value)), "f")
