"""The words of the craft explained, and what each sampler, schedule and upscaler is for, in the page's languages.

Knows texts and no widgets. The texts stand in words/help/.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

LISTS = ("samplers", "schedules", "upscalers")  # registries whose every name is explained


@dataclass(frozen=True, slots=True)
class Entry:
    """A word and what it means. id: of its place in the page."""

    id: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """Entries that belong together."""

    id: str
    title: str
    entries: tuple[Entry, ...]


@cache
def chapters(language: str) -> tuple[Chapter, ...]:
    """Return everything that is explained, in one of the page's languages; samplers and the like not yet titled."""
    text = resources.files("easel.ui.words").joinpath("help", f"{language}.toml").read_text(encoding="utf-8")
    return chapters_of(tomllib.loads(text))


def chapters_of(table: Mapping[str, Mapping[str, object]]) -> tuple[Chapter, ...]:
    """Return the chapters of a file: its groups with their terms, then the registries, whose title is their id."""
    groups: dict[str, list[Entry]] = {group: [] for group in table["groups"]}
    for id, term in table["terms"].items():
        assert isinstance(term, Mapping)
        groups[str(term["group"])].append(Entry(id, str(term["name"]), str(term["text"])))
    terms = [Chapter(id, str(table["groups"][id]), tuple(entries)) for id, entries in groups.items()]
    lists = [
        Chapter(kind, kind, tuple(Entry(f"{kind}-{at}", name, str(text)) for at, (name, text) in enumerate(pairs)))
        for kind in LISTS
        for pairs in [table[kind].items()]
    ]
    return (*terms, *lists)
