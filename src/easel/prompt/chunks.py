"""Token numbers to chunks of the text encoder's length, the way AUTOMATIC1111 cuts them; any length of prompt.

Each fragment is tokenised on its own. A full chunk is closed at its last comma when that is near; BREAK closes one
early. The vectors of an embedding stand together in one chunk. This file does not know tokenizers (it is given one as a
function), tensors, or what a weight does to a model.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from easel.prompt.attention import Fragment

CHUNK = 75  # tokens of a chunk beside its begin and end marks, for every CLIP text encoder
BACKTRACK = 20  # tokens; A1111's default for "prompt word wrap length limit"


@dataclass(frozen=True, slots=True)
class Marks:
    """The token numbers with a meaning of their own, and the room between begin and end.

    pad equals end for Stable Diffusion 1 and is 0 for OpenCLIP (2.x). comma: the token of "," that ends a word, None
    where the vocabulary has none. room: tokens a chunk holds beside begin and end.
    """

    begin: int
    end: int
    pad: int
    comma: int | None
    room: int = CHUNK


@dataclass(frozen=True, slots=True)
class Vectors:
    """What stands in a text in place of tokens: `count` vectors, 1 to `room` of them, of the embedding `of`."""

    of: Hashable
    count: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """One row for the text encoder: `room` + 2 token numbers and as many weights; marks and padding weigh 1.

    vectors: places among the numbers where an embedding's vectors stand, each with whose they are and which, from 0.
    """

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    vectors: tuple[tuple[int, Hashable, int], ...] = ()


@dataclass(frozen=True, slots=True)
class _Token:
    """A token with its weight; where a vector stands in its place, whose and which."""

    number: int
    weight: float
    vector: tuple[Hashable, int] | None = None


@dataclass(slots=True)
class _Filling:
    """The chunk being filled: its tokens, and the place of its last comma."""

    tokens: list[_Token] = field(default_factory=list[_Token])
    comma: int | None = None


def chunked(
    fragments: Iterable[Fragment],
    tokenize: Callable[[str], Sequence[int | Vectors]],
    marks: Marks,
    *,
    backtrack: int = BACKTRACK,
) -> tuple[Chunk, ...]:
    """Return the chunks of one prompt, at least one.

    tokenize: text to token numbers without begin, end or padding, never cut short, and vectors. backtrack: how many
    tokens at the end of a full chunk may move to the next one so that the cut falls behind a comma; 0 cuts where the
    chunk is full. Vectors that do not fit in what is left of a chunk begin the next.
    """
    done: list[Chunk] = []
    filling = _Filling()
    for fragment in fragments:
        if fragment.is_break:
            done.append(closed(filling.tokens, marks))
            filling = _Filling()
            continue
        for token in tokenize(fragment.text):
            if len(filling.tokens) == marks.room:
                kept, moved = cut(filling, marks, backtrack if token != marks.comma else 0)
                done.append(closed(kept, marks))
                filling = _Filling(moved)
            elif token == marks.comma:
                filling.comma = len(filling.tokens)
            if isinstance(token, Vectors):
                if len(filling.tokens) + token.count > marks.room:
                    done.append(closed(filling.tokens, marks))
                    filling = _Filling()
                filling.tokens += [_Token(0, fragment.weight, (token.of, which)) for which in range(token.count)]
            else:
                filling.tokens.append(_Token(token, fragment.weight))
    if filling.tokens or not done:
        done.append(closed(filling.tokens, marks))
    return tuple(done)


def cut(filling: _Filling, marks: Marks, backtrack: int) -> tuple[list[_Token], list[_Token]]:
    """Return what stays in a full chunk and what moves to the next: all after the last comma, if that is near."""
    comma = filling.comma
    if comma is None or marks.room - comma > backtrack:
        return filling.tokens, []
    return filling.tokens[: comma + 1], filling.tokens[comma + 1 :]


def closed(tokens: Sequence[_Token], marks: Marks) -> Chunk:
    """Return the chunk of `tokens`: begin, tokens, end, then padding."""
    missing = marks.room - len(tokens)
    ids = (marks.begin, *(token.number for token in tokens), marks.end, *([marks.pad] * missing))
    weights = (1.0, *(token.weight for token in tokens), 1.0, *([1.0] * missing))
    vectors = tuple((place, *token.vector) for place, token in enumerate(tokens, 1) if token.vector)
    return Chunk(ids, weights, vectors)


def empty_chunk(marks: Marks) -> Chunk:
    """Return the chunk of the empty prompt."""
    return closed((), marks)


def of_equal_length(prompts: Sequence[Sequence[Chunk]], marks: Marks) -> tuple[tuple[Chunk, ...], ...]:
    """Return the prompts with empty chunks added, so that each has as many chunks as the longest."""
    longest = max((len(chunks) for chunks in prompts), default=0)
    return tuple((*chunks, *[empty_chunk(marks)] * (longest - len(chunks))) for chunks in prompts)
