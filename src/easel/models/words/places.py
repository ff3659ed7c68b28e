"""Where words stand among the tokens that a text encoder reads.

Knows CLIP's tokenizers; knows nothing of what attends to the tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from easel.core.work import Text
from easel.models.words.tokens import Reader

if TYPE_CHECKING:
    from easel.models.accelerate import Embedding

WORD_END = "</w>"


@dataclass(frozen=True, slots=True)
class Places:
    """Numbers of tokens in a text's conditioning, from 0: of the words looked for, and of all that the text says."""

    words: tuple[int, ...]
    text: tuple[int, ...]


def places_of(words: str, reader: Reader, text: Text, embeddings: Sequence[Embedding] = ()) -> Places:
    """Return where words stand in a text, wherever they are said; nowhere where the text does not say them.

    They stand as whole words, or else as the beginnings of some: plurals, and Korean words with their particles.
    """
    spelled: list[str] = []
    owners: list[int] = []
    inside: list[int] = []
    for number, chunk in enumerate(reader.chunks(text, embeddings)):
        first = number * len(chunk.ids) + 1  # behind the mark of the beginning
        tokens = [token for token, _ in reader.inside(chunk)]
        vectors = {place for place, _, _ in chunk.vectors}
        for place, piece in enumerate(pieces(reader, tokens)):
            piece = " " if place + 1 in vectors else piece
            spelled.append(piece)
            owners += [first + place] * len(piece)
            inside.append(first + place)
    wanted = "".join(pieces(reader, reader.tokens(words))).strip()
    said = "".join(spelled)
    found = list(occurrences(wanted, said, whole=True)) or list(occurrences(wanted, said, whole=False))
    numbers = {owners[letter] for start in found for letter in range(start, start + len(wanted))}
    return Places(tuple(sorted(numbers)), tuple(inside))


def pieces(reader: Reader, tokens: Sequence[int]) -> list[str]:
    """Return tokens as the tokenizer writes them, with a space behind each that ends a word."""
    made = [str(reader.tokenizer.convert_ids_to_tokens(token)) for token in tokens]
    return [f"{one.removesuffix(WORD_END)} " if one.endswith(WORD_END) else one for one in made]


def occurrences(wanted: str, said: str, *, whole: bool) -> Iterator[int]:
    """Yield where words begin in a text, at the beginning of a word; whole: and end at the end of one."""
    start = said.find(wanted) if wanted else -1
    while start >= 0:
        end = start + len(wanted)
        if (start == 0 or said[start - 1] == " ") and (not whole or said[end : end + 1] in ("", " ")):
            yield start
        start = said.find(wanted, start + 1)
