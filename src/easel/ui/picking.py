"""What may be put into a prompt by a click: words of the catalogue, LoRAs, embeddings; found by name, page by page.

Answers js/picker.js in plain values. Knows no widgets.
"""

from __future__ import annotations

from typing import Any

from easel.core.caller import Caller
from easel.models.library.cards import words_beside
from easel.prompt.catalogue import load_catalogue, search
from easel.ui import links
from easel.ui.house import House
from easel.ui.live import Function, Wishes

PAGE = 60  # of one answer
PATIENCE = 0.5  # seconds in which new files are read before they are listed


def catalogue_words(language: str) -> Function:
    """Return the function that finds words. wishes: "search", "category" and "from"; all may be missing."""

    def words(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        found = search(str(wishes.get("search", "")), category=wishes.get("category") or None)
        first = start(wishes)
        return {
            "more": len(found) > first + PAGE,
            "entries": [
                {
                    "put": one.tag,
                    "name": one.tag,
                    "also": one.korean if language == "ko" else "",
                    "note": one.korean_note if language == "ko" else one.note,
                }
                for one in found[first : first + PAGE]
            ],
        }

    return words


def files_of(house: House) -> Function:
    """Return the function that finds LoRAs and embeddings. wishes: "kind", and "search" and "from" as above."""

    def files(wishes: Wishes, caller: Caller) -> dict[str, Any]:
        kind = "embedding" if wishes.get("kind") == "embedding" else "lora"
        asked = str(wishes.get("search", "")).casefold().split()
        entries = [
            entry
            for entry in house.library.entries(kind, within=PATIENCE)
            if all(word in entry.name.casefold() for word in asked)
        ]
        first = start(wishes)
        return {
            "more": len(entries) > first + PAGE,
            "entries": [
                {
                    "put": put(kind, entry.name, words_beside(entry.path)),
                    "name": entry.name.rpartition("/")[2],
                    "also": "",
                    "note": entry.name,
                    "preview": links.preview(kind, entry.name),
                }
                for entry in entries[first : first + PAGE]
            ],
        }

    return files


def put(kind: str, name: str, words: list[str]) -> str:
    """Return what a click puts into the prompt: the tag and the words it listens to, or an embedding's name."""
    if kind == "embedding":
        return name.rpartition("/")[2]
    return ", ".join([f"<lora:{name}:1>", *words[:3]])


def start(wishes: Wishes) -> int:
    """Return at which entry an answer begins."""
    first = wishes.get("from", 0)
    return first if isinstance(first, int) and first > 0 else 0


def categories(language: str) -> list[tuple[str, str]]:
    """Return the names of the catalogue's categories, for programs and for people."""
    return [(one.name, one.korean if language == "ko" else one.english) for one in load_catalogue().categories]
