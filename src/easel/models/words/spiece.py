"""T5's vocabulary in its two formats: SentencePiece's own, and the JSON of the tokenizers library.

Kudo & Richardson 2018, arXiv:1808.06226, of the kind "unigram": pieces of text, each with a score. The first is a
protocol buffer, of which only the pieces and the map of characters are read. Knows no tokenizer and no weights.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easel.core.errors import Incomplete
from easel.models.files.jsonfiles import read_json

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
CHARACTERS = "precompiled_charsmap"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Pieces with their scores, in the order of their numbers, and SentencePiece's map of characters, or none."""

    pieces: Sequence[tuple[str, float]]
    characters: bytes

    @property
    def whole(self) -> bool:
        """Whether the marks are there that T5 needs, and the map of characters is as long as it says."""
        known = {piece for piece, _ in self.pieces}
        size = int.from_bytes(self.characters[:4], "little")
        fits = not self.characters or (size % 4 == 0 and 4 < size + 4 <= len(self.characters))
        return known >= {PAD, END, UNKNOWN} and fits


def read_tokenizer(file: Path) -> Vocabulary | None:
    """Return the vocabulary of a tokenizer.json, or None where it is of another kind than T5's. Raises Incomplete."""
    said: Any = read_json(file)
    try:
        if said["model"]["type"] != "Unigram":
            return None
        normalizer = said.get("normalizer") or {}
        steps = [normalizer, *normalizer.get("normalizers", ())]
        characters = next(
            (base64.b64decode(step[CHARACTERS], validate=True) for step in steps if CHARACTERS in step), b""
        )
        found = Vocabulary([(str(piece), float(score)) for piece, score in said["model"]["vocab"]], characters)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Incomplete(f"{file}: damaged; fetch it again.") from None
    return checked(found, str(file))


def read_pieces(file: Path) -> Vocabulary:
    """Return the vocabulary of a spiece.model. Raises Incomplete."""
    return pieces_in(file.read_bytes(), str(file))


def pieces_in(data: bytes, where: str) -> Vocabulary:
    """Return the vocabulary in SentencePiece's own format: field 1 of its message are the pieces, 3 how it normalises.

    Raises Incomplete, naming `where`.
    """
    pieces: list[tuple[str, float]] = []
    characters = b""
    try:
        for number, value in fields_of(data):
            if number == 1:
                piece = dict(fields_of(bytes_of(value)))
                pieces.append((bytes_of(piece.get(1, b"")).decode(), struct.unpack("<f", bytes_of(piece[2]))[0]))
            elif number == 3:
                characters = bytes_of(dict(fields_of(bytes_of(value))).get(2, b""))
    except (ValueError, KeyError, struct.error):
        raise Incomplete(f"{where}: damaged, or no SentencePiece vocabulary; fetch it again.") from None
    return checked(Vocabulary(pieces, characters), where)


def checked(vocabulary: Vocabulary, where: str) -> Vocabulary:
    """Return a vocabulary that is whole. Raises Incomplete, naming `where`."""
    if not vocabulary.whole:
        raise Incomplete(
            f"{where}: no vocabulary of T5 ({PAD}, {END}, {UNKNOWN} and its map of characters); fetch it again."
        )
    return vocabulary


def fields_of(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a protocol buffer; numbers of fixed size as bytes. Raises ValueError."""
    place = 0
    while place < len(message):
        key, place = varint(message, place)
        match key & 7:
            case 0:
                value, place = varint(message, place)
                yield key >> 3, value
                continue
            case 2:
                length, place = varint(message, place)
            case 1 | 5 as kind:
                length = 8 if kind == 1 else 4
            case kind:
                raise ValueError(f"a field of kind {kind}")
        if place + length > len(message):
            raise ValueError("a field that ends beyond its message")
        yield key >> 3, message[place : place + length]
        place += length


def varint(message: bytes, place: int) -> tuple[int, int]:
    """Return the number that begins at `place`, seven bits a byte, and where it ends. Raises ValueError."""
    value = shift = 0
    while place < len(message) and shift < 64:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
    raise ValueError("a number without an end")


def bytes_of(value: int | bytes) -> bytes:
    """Return a field's bytes. Raises ValueError for a number."""
    if isinstance(value, int):
        raise ValueError("a number where bytes are needed")
    return value
