"""A prompt and a number of model calls to the text that holds at each call, the way AUTOMATIC1111 counts them.

    a [cat:dog:0.5] AND snow:0.8    two parts: "a cat", from the middle "a dog"; and "snow", weighing 0.8

This file does not know samplers (the caller says how many model calls a pass makes), emphasis, tokens, or how parts
become one guidance.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from easel.prompt.attention import limited
from easel.prompt.grammar import Alternation, Edit, Pieces, parse

AND_WORD = re.compile(r"\bAND\b")
WEIGHT = re.compile(r"[-+]?(?:\d++\.?|\d*+\.\d++)")
COMMENT = re.compile(r"\\(?P<hash>#)|(?P<escape>\\[^\n])|#[^\n]*+")
COMMENT_LINE = re.compile(r"^[^\S\n]*+#[^\n]*+\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Held:
    """A text that holds until the call of number `until`, counted from 0 and that call included."""

    until: int
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """One of the prompts that AND joins: its weight, -1000..1000, and what it says when."""

    weight: float
    held: tuple[Held, ...]


def plan(text: str, calls: int, *, base_calls: int | None = None, old: bool = False) -> tuple[Part, ...]:
    """Return the parts of a prompt, at least one; the arguments are those of `schedule`."""
    return tuple(Part(weight, schedule(part, calls, base_calls=base_calls, old=old)) for part, weight in parts(text))


def plan_negative(text: str, calls: int, *, base_calls: int | None = None, old: bool = False) -> tuple[Held, ...]:
    """Return what a negative prompt says when: in it, AND and a weight at the end are words as others are."""
    return schedule(text, calls, base_calls=base_calls, old=old)


def parts(text: str) -> tuple[tuple[str, float], ...]:
    """Return the texts between the words AND and their weights: a number behind a colon at the end, else 1.

    Space before the weight and at the end goes, space at the beginning stays. Brackets do not hold an AND together.
    """
    return tuple(map(weighed, AND_WORD.split(text)))


def weighed(part: str) -> tuple[str, float]:
    """Return a part without the weight at its end, and the weight."""
    part = part.rstrip()
    text, colon, number = part.rpartition(":")
    if colon and WEIGHT.fullmatch(number.lstrip()):
        return text.rstrip(), limited(float(number))
    return part, 1.0


def schedule(text: str, calls: int, *, base_calls: int | None = None, old: bool = False) -> tuple[Held, ...]:
    """Return what a prompt without AND says when: `until` rises strictly and ends with `calls`.

    calls: model calls of this pass, at least 1; a sampler of second order makes two a step. base_calls: those of the
    first pass, when this is the hires pass, whose time goes on from there: 1.0 and `base_calls` are its beginning.
    old: A1111's rule before 1.6, by which a number below 1 is a fraction of this pass, any other a call of it.
    """
    pieces = parse(text)
    ends: dict[str, int] = {}
    until = {calls}
    for change in changes(pieces):
        if isinstance(change, Edit):
            ends[change.when] = end(change.when, calls, base_calls, old)
        else:
            until.update(range(1, calls + 1))
    until.update(call for call in ends.values() if call >= 1)
    return tuple(Held(call, text_at(pieces, call, ends)) for call in sorted(until))


def changes(pieces: Pieces) -> Iterator[Edit | Alternation]:
    """Yield all edits and alternations, those within others too."""
    for piece in pieces:
        match piece:
            case Edit(before, after):
                yield piece
                yield from changes(before)
                yield from changes(after)
            case Alternation(options):
                yield piece
                for option in options:
                    yield from changes(option)
            case _:
                pass


def end(when: str, calls: int, base_calls: int | None, old: bool) -> int:
    """Return the last call, 0..calls, before an edit; with a point in it, `when` is a fraction, else a call."""
    value = float(when)
    if old:
        value = value * calls if value < 1 else value
    elif "." in when:
        value = (value if base_calls is None else value - 1.0) * calls
    else:
        value -= base_calls or 0
    return int(max(0.0, min(calls, value)))  # cut, not rounded: 3.999 is 3


def text_at(pieces: Pieces, call: int, ends: Mapping[str, int]) -> str:
    """Return the text at a call, counted from 1."""
    texts: list[str] = []
    for piece in pieces:
        match piece:
            case Edit(before, after, when):
                texts.append(text_at(before if call <= ends[when] else after, call, ends))
            case Alternation(options):
                texts.append(text_at(options[(call - 1) % len(options)], call, ends))
            case _:
                texts.append(piece)
    return "".join(texts)


def held_at(held: Sequence[Held], call: int) -> int:
    """Return which of `held` holds at a call, counted from 0; the last where a sampler calls more often than it said.

    A1111 compares this call, counted from 0, with ends counted from 1, so the first text holds one call longer.
    """
    return min(bisect_left(held, call, key=lambda one: one.until), len(held) - 1)


def strip_comments(text: str) -> str:
    """Return a prompt without comments: from # to the end of a line, or the whole line where nothing stands before it.

    Any # begins one, as in A1111, but for an escaped one, which becomes the character. Done once, before all else.
    """
    return COMMENT.sub(uncommented, COMMENT_LINE.sub("", text))


def uncommented(found: re.Match[str]) -> str:
    """Return what stays of a comment or an escape."""
    return found["escape"] or found["hash"] or ""
