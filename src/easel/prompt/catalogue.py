"""The prompt catalogue: words that people keep in notes, by category, in English and Korean, and the search in them.

The words stand in the folder catalogue/, a CSV file a category, in the order of categories.csv; to add one is to add a
line. This file does not know which words a model was taught.
"""

from __future__ import annotations

import csv
import functools
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from easel.core.errors import UnknownName

Language = Literal["en", "ko"]
NOT_FOUND = 7  # one more than the worst rank


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag as it goes into a prompt, its Korean name, and a note in both languages, often empty."""

    tag: str
    korean: str
    note: str
    korean_note: str
    category: str


@dataclass(frozen=True, slots=True)
class Category:
    """Entries of a kind. name: short, for options; english and korean: for people."""

    name: str
    english: str
    korean: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All categories in the order that people choose in."""

    categories: tuple[Category, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every entry, category by category."""
        return tuple(entry for category in self.categories for entry in category.entries)

    def category(self, name: str) -> Category:
        """Return the category called `name`, by any of its names. Raises UnknownName with the nearest."""
        for category in self.categories:
            if folded(name) in map(folded, (category.name, category.english, category.korean)):
                return category
        known = [category.name for category in self.categories]
        raise UnknownName("category", name, known, listing="`easel prompt tags --categories`")


@functools.cache
def load_catalogue() -> Catalogue:
    """Return the catalogue of the package, read once."""
    return Catalogue(tuple(read_category(name, english, korean) for name, english, korean in read_rows("categories")))


def read_category(name: str, english: str, korean: str) -> Category:
    """Return one category with its entries from its file."""
    entries: list[Entry] = []
    for row in read_rows(name):
        tag, in_korean, note, korean_note = (*row, "", "")[:4]
        entries.append(Entry(tag, in_korean, note, korean_note, name))
    return Category(name, english, korean, tuple(entries))


def read_rows(name: str) -> Iterator[list[str]]:
    """Yield the rows of one file of the folder without its headings."""
    text = resources.files("easel.prompt").joinpath("catalogue", f"{name}.csv").read_text(encoding="utf-8")
    yield from list(csv.reader(text.splitlines(), strict=True))[1:]


def search(words: str, language: Language | None = None, *, category: str | None = None) -> tuple[Entry, ...]:
    """Return the entries that hold `words`, the best first; all of them for no words.

    Best is the whole name, then whole words of it, its beginning, the beginning of a word in it, any part of it, every
    word somewhere in it, and last every word in its name, note or category. language: search English or Korean alone.
    Case, hyphens and the way letters are composed do not count, nor do spaces in Korean. Raises UnknownName for a
    category.
    """
    catalogue = load_catalogue()
    among = [catalogue.category(category)] if category is not None else catalogue.categories
    wanted = folded(words)
    found: list[tuple[int, Entry]] = []
    for one in among:
        for entry in one.entries:
            ranks: list[int] = []
            if language != "ko":
                ranks.append(rank(wanted, folded(entry.tag), (entry.note, one.english, one.name)))
            if language != "en":
                ranks.append(rank(wanted, folded(entry.korean), (entry.korean_note, one.korean), spaced=False))
            if min(ranks) < NOT_FOUND:
                found.append((min(ranks), entry))
    return tuple(entry for _, entry in sorted(found, key=lambda pair: pair[0]))


def rank(wanted: str, name: str, beside: Iterable[str], *, spaced: bool = True) -> int:
    """Return how well a folded name fits what is wanted, 0 the best, NOT_FOUND where it does not.

    beside: what else is known of the name. spaced: whether the spaces in both count.
    """
    phrase, whole = (wanted, name) if spaced else (wanted.replace(" ", ""), name.replace(" ", ""))
    if whole == phrase:
        return 0
    if f" {wanted} " in f" {name} ":
        return 1
    if whole.startswith(phrase):
        return 2
    if f" {wanted}" in name:
        return 3
    if phrase in whole:
        return 4
    words = wanted.split()
    if all(word in name for word in words):
        return 5
    everything = f"{name} {folded(' '.join(beside))}"
    return 6 if all(word in everything for word in words) else NOT_FOUND


def folded(text: str) -> str:
    """Return the form under which words are compared."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().replace("-", " ").split())
