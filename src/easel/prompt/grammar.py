"""Prompts that change while a picture is made: text to a tree and back, with the meaning AUTOMATIC1111 gives it.

    [from:to:when]  [to:when]  [from::when]    one text first, another afterwards
    [a|b|]                                     each in turn
    \\[ \\] \\( \\) \\: \\| \\\\                      the character

Round brackets, and square ones without colon or bar, are emphasis and stay text. So does a bracket that pairs with none
or whose inside has no meaning, with every bracket round it; A1111 leaves such texts to chance, and this is one of its
answers. A bar outside `[a|b]`, a backslash at the end of a line, or changes nested deeper than DEEPEST make the whole
prompt text. This file does not know what `when` means, nor emphasis, AND and comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import Any, TypeAlias

from lark import Lark, Token, Transformer
from lark.exceptions import LarkError, LexError

DEEPEST = 64  # changes within changes; it bounds every walk over a tree

# The tokens below say which brackets, colons and bars are punctuation and which are text. So one token of lookahead is
# enough for the grammar, and any text takes linear time and no recursion.
GRAMMAR = r"""
    start: pieces
    pieces: (TEXT | edit | alternation)*
    edit: "[" [pieces ":"] pieces ":" WHEN "]"
    alternation: "[" pieces ("|" pieces)+ "]"
    %declare TEXT WHEN
"""
MARKS = {"[": "LSQB", "]": "RSQB", ":": "COLON", "|": "VBAR"}  # lark's names for the grammar's punctuation
TEXT, WHEN, STRAY = "TEXT", "WHEN", "STRAY"

SYMBOL = re.compile(r"(?:[^\\\[\]():|]++|\\.)++|[\[\]():|\\]")
NUMBER = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")


@dataclass(frozen=True, slots=True)
class Edit:
    """`before` holds first and `after` holds from `when` on, a number as it was written."""

    before: Pieces
    after: Pieces
    when: str


@dataclass(frozen=True, slots=True)
class Alternation:
    """Two or more texts, each held for one call in turn."""

    options: tuple[Pieces, ...]


Piece: TypeAlias = "str | Edit | Alternation"
Pieces: TypeAlias = "tuple[Piece, ...]"


def parse(text: str) -> Pieces:
    """Return the pieces of a prompt in order, no two texts side by side. Never fails: at worst all of it is text."""
    try:
        return read(text)
    except LarkError:
        return (text,)


def to_text(pieces: Pieces) -> str:
    """Return a prompt that parses to `pieces`, provided they came from parse."""
    return "".join(map(printed, pieces))


def printed(piece: Piece) -> str:
    """Return one piece as it is written."""
    match piece:
        case Edit(before, after, when):
            return f"[{to_text(before)}:{to_text(after)}:{when}]"
        case Alternation(options):
            return f"[{'|'.join(map(to_text, options))}]"
        case _:
            return piece


def read(text: str) -> Pieces:
    """Return the pieces of a prompt; raises LarkError where it breaks the grammar."""
    reader = grammar().parse_interactive()
    for token in tokens(text):
        reader.feed_token(token)
    return reader.feed_eof()


@cache
def grammar() -> Any:  # lark's own annotations are partly unknown
    """Return lark's parser, which keeps nothing between two texts."""
    return Lark(GRAMMAR, parser="lalr", lexer="basic", transformer=_Tree())


class _Tree(Transformer[Token, Pieces]):
    """Makes the tree while lark reads; a method a rule of the grammar."""

    def start(self, found: list[Pieces]) -> Pieces:
        return found[0]

    def pieces(self, found: list[Token | Edit | Alternation]) -> Pieces:
        return tuple(piece.value if isinstance(piece, Token) else piece for piece in found)

    def edit(self, found: tuple[Pieces | None, Pieces, Token]) -> Edit:
        before, after, when = found
        return Edit(before or (), after, when.value)

    def alternation(self, found: list[Pieces]) -> Alternation:
        return Alternation(tuple(found))


@dataclass(slots=True)
class _Symbol:
    """One symbol of a prompt and what it is for the grammar, until more is known: text."""

    text: str
    kind: str = TEXT


@dataclass(frozen=True, slots=True)
class _Bracket:
    """An open bracket's place among the symbols, and the places of the colons and bars that stand directly in it."""

    place: int
    separators: list[int] = field(default_factory=list[int])


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a prompt; what can be neither punctuation nor text is a STRAY, which no rule knows."""
    symbols = [_Symbol(found) for found in SYMBOL.findall(text)]
    opened: list[_Bracket] = []
    for place, symbol in enumerate(symbols):
        match symbol.text:
            case "(" | "[":
                opened.append(_Bracket(place))
            case ")" | "]":
                if not (opened and closes(symbols, opened.pop(), place)):
                    opened.clear()  # what has no meaning takes it from all that stands round it
            case ":" | "|" | "\\":
                symbol.kind = TEXT if symbol.text == ":" else STRAY  # until its bracket closes
                if opened:
                    opened[-1].separators.append(place)
            case _:
                pass
    return joined(symbols)


def closes(symbols: Sequence[_Symbol], bracket: _Bracket, end: int) -> bool:
    """Return whether `bracket` and the closing one at `end` have a meaning; punctuation between them gets its kind."""
    places = (bracket.place, *bracket.separators, end)
    match symbols[bracket.place].text, "".join(symbols[place].text for place in bracket.separators), symbols[end].text:
        case ("(", "" | ":", ")") | ("[", "", "]"):
            return True
        case "[", ":" | "::", "]":
            number = symbols[end - 1]
            if places[-2] != end - 2 or not NUMBER.fullmatch(number.text.strip()):
                return False
            number.text, number.kind = number.text.strip(), WHEN
        case "[", separators, "]" if not separators.strip("|"):
            pass
        case _:
            return False
    for place in places:
        symbols[place].kind = MARKS[symbols[place].text]
    return True


def joined(symbols: Sequence[_Symbol]) -> Iterator[Token]:
    """Yield the symbols as tokens, neighbouring texts as one; raises LexError for changes deeper than DEEPEST."""
    depth = 0
    for kind, group in groupby(symbols, key=lambda symbol: symbol.kind):
        texts = [symbol.text for symbol in group]
        depth += len(texts) * ((kind == MARKS["["]) - (kind == MARKS["]"]))
        if depth > DEEPEST:
            raise LexError(f"more than {DEEPEST} changes within each other")
        yield from (Token(kind, text) for text in (["".join(texts)] if kind == TEXT else texts))
