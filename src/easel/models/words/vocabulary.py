"""CLIP's words: the vocabulary that every Stable Diffusion 1.x and 2.x counts its tokens by.

The byte pairs are OpenAI's, kept in clip/ with their licence.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

MERGES = Path(__file__).parent / "clip" / "merges.txt.gz"
MARKS = ("<|startoftext|>", "<|endoftext|>")
PRINTABLE = (*range(ord("!"), ord("~") + 1), *range(ord("\N{INVERTED EXCLAMATION MARK}"), ord("\N{NOT SIGN}") + 1))
PRINTABLE += tuple(range(ord("\N{REGISTERED SIGN}"), ord("\N{LATIN SMALL LETTER Y WITH DIAERESIS}") + 1))


@cache
def clip_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return the number of each of the 49,408 tokens, and the 48,894 pairs that are merged, in order."""
    with gzip.open(MERGES, "rt", encoding="utf-8") as file:
        merges = [(left, right) for left, right in (line.split() for line in file)]
    letters = [*map(chr, PRINTABLE), *(chr(256 + place) for place in range(256 - len(PRINTABLE)))]
    tokens = [*letters, *(letter + "</w>" for letter in letters), *(left + right for left, right in merges), *MARKS]
    return {token: number for number, token in enumerate(tokens)}, merges
