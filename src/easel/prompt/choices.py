"""Choices in a prompt: one level of text to its parts, in the words of sd-dynamic-prompts.

    {a|b}  {2::a|b} weights  {2$$a|b|c}  {1-3$$a|b|c}  {2$$ and $$a|b|c} own joiner  __name__ a wildcard
    \\{ \\} \\| \\$ \\_ \\# the character; every other backslash stays, for it means emphasis

A brace without its partner is text, and so is "|" outside braces. An option is kept as text and parsed when it is
picked: what stands between two partners is balanced in itself, so both ways agree. This file does not know files,
random numbers or how many outcomes there are.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from easel.core.errors import BadValue, Unsupported

DEEPEST = 64  # braces within braces; it keeps what walks them far from Python's own limit
JOINER = ", "

# Possessive quantifiers and the bound on a name's length keep every scan linear, whatever stands in the text.
WEIGHT = re.compile(r"\s*+(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})::")
HEAD = re.compile(r"\s*+(\d{0,9})(-?)(\d{0,9})\s*+\$\$(?:((?:[^{}|$\\]|\\.)*+)\$\$)?", re.DOTALL)
VARIABLE = re.compile(r"\{\s*+([^\W\d]\w{0,99}+)\s*+(?:[}=?]|:(?!:))")
TOKEN = re.compile(
    r"""\\(?P<escaped>[{}|$_\#])
      | \\.
      | __(?P<wildcard>(?=[^\W_]|[*.~@!/])(?:(?!__)[\w\ .\-+/*~@!()=&']){1,200}+)(?<!\s)__
      | (?P<mark>[{}|])
      | [^\\{}|_]++
      | .""",
    re.VERBOSE | re.DOTALL,
)
SPECIAL = re.compile(r"[\\{}]|__")


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to pick: a text that may hold choices itself, and how often it comes beside the others."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Pool:
    """Options to pick from, no two alike, and the running totals of their weights."""

    options: tuple[Option, ...]
    totals: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`__name__`: one entry of a wildcard file, or of several where the name holds a star."""

    name: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Braces: `least` to `most` different options, in any order, joined. most: None for all there are."""

    pool: Pool
    least: int = 1
    most: int | None = 1
    joiner: str = JOINER

    def sizes(self, count: int) -> range:
        """Return how many of `count` options may be picked."""
        most = count if self.most is None else min(self.most, count)
        return range(min(self.least, most), most + 1)


Part = str | Wildcard | Choice


def pool_of(options: Iterable[Option]) -> Pool:
    """Return a pool of `options`: equal texts are one and weigh their sum, those of weight 0 are left out."""
    weights: dict[str, float] = {}
    for option in options:
        if option.weight > 0:
            weights[option.text] = weights.get(option.text, 0.0) + option.weight
    return Pool(tuple(itertools.starmap(Option, weights.items())), tuple(itertools.accumulate(weights.values())))


def weighted(text: str) -> Option:
    """Return an option from "3::text", its weight 1 where no number leads it."""
    found = WEIGHT.match(text)
    return Option(text[found.end() :], float(found[1])) if found else Option(text)


def parts_of(text: str) -> tuple[Part, ...]:
    """Return the parts of a text in order; two texts never stand side by side.

    Raises BadValue where braces nest deeper than DEEPEST, Unsupported for a variable such as ${season}.
    """
    if not SPECIAL.search(text):
        return (text,) if text else ()
    pairs = pairs_of(text)
    parts: list[Part] = []
    words: list[str] = []
    place = 0
    while token := TOKEN.match(text, place):
        place = token.end()
        part = None
        if token["wildcard"]:
            part = Wildcard(token["wildcard"])
        elif token["mark"] == "{" and token.start() in pairs:
            closing, bars = pairs[token.start()]
            part, place = choice_of(text, place, closing, bars), closing + 1
        else:
            words.append(token["escaped"] or token[0])
        if part is not None:
            parts += ["".join(words)] if words else []
            words = []
            parts.append(part)
    return (*parts, "".join(words)) if words else tuple(parts)


def pairs_of(text: str) -> dict[int, tuple[int, list[int]]]:
    """Return, for the place of each "{" that has a partner, the partner's place and those of its own bars."""
    found: dict[int, tuple[int, list[int]]] = {}
    opened: list[tuple[int, list[int]]] = []
    height: list[int] = []  # how deep braces nest inside each that is still open
    dollar = -1
    variables: set[int] = set()
    for token in TOKEN.finditer(text):
        mark = token["mark"]
        if mark == "{":
            if dollar == token.start():
                variables.add(dollar)
            opened.append((token.start(), []))
            height.append(0)
        elif mark == "|" and opened:
            opened[-1][1].append(token.start())
        elif mark == "}" and opened:
            start, bars = opened.pop()
            inside = height.pop() + 1
            if inside > DEEPEST:
                raise BadValue("prompt", text, f"braces nested at most {DEEPEST} deep", remedy=at(start))
            if height:
                height[-1] = max(height[-1], inside)
            if start in variables:
                refuse_variable(text, start)
            found[start] = token.start(), bars
        sign = token[0].endswith("$") and not token[0].endswith("$$")  # two end a joiner: {2$$ and $${a|b}}
        dollar = token.end() if sign and not token["escaped"] else -1
    return found


def refuse_variable(text: str, start: int) -> None:
    """Raise Unsupported where the brace at `start`, led by "$", begins a variable; "${5|10}" is a choice."""
    if found := VARIABLE.match(text, start):
        raise Unsupported(
            f"prompt variable '${{{found[1]}}}' ({at(start)}): variables are not supported; write a choice or a "
            f"wildcard in its place, or \\$ for the sign itself."
        )


def choice_of(text: str, start: int, end: int, bars: list[int]) -> Choice:
    """Return the choice that stands in text[start:end], its options parted by `bars`."""
    head = HEAD.match(text, start, end)
    if head and (head[1] or head[2]) and (head[2] or not head[3]):
        first, dash, last, joiner = head.groups()
        least, most = int(first or 1), (int(last) if last else None) if dash else int(first)
        if most is not None:
            least, most = min(least, most), max(least, most)
        options = [Option(option.text.strip(), option.weight) for option in split(text, head.end(), end, bars)]
        joiner = JOINER if joiner is None else "".join(token["escaped"] or token[0] for token in TOKEN.finditer(joiner))
        return Choice(pool_of(options), least, most, joiner)
    return Choice(pool_of(split(text, start, end, bars)))


def split(text: str, start: int, end: int, bars: list[int]) -> Iterator[Option]:
    """Yield the options of text[start:end]."""
    for left, right in itertools.pairwise((start - 1, *bars, end)):
        yield weighted(text[left + 1 : right])


def wildcards_in(text: str) -> Iterator[str]:
    """Yield the name of every wildcard in a text, those within options among them."""
    if "__" in text:
        for token in TOKEN.finditer(text):
            if token["wildcard"]:
                yield token["wildcard"]


def at(place: int) -> str:
    """Return where in a text something stands, as people count."""
    return f"character {place + 1}"
