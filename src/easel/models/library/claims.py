"""What other programs wrote down of a file's SHA-256: files beside it, and A1111's cache.json.

A claim finds a renamed model and proves nothing: whoever made the file may have made the claim. Knows no models.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from easel.models.library.places import Found

LARGEST = 2**26  # bytes of a file with claims
# A1111's words for kinds in the keys of its cache; only checkpoints have their endings there.
CACHED = {"checkpoint": "checkpoint", "lora": "lora", "vae": "vae", "embedding": "textual_inversion"}


def claims_beside(path: str) -> set[str]:
    """Return the hashes in small letters that files beside one claim for it: Civitai Helper's, Stability Matrix's."""
    stem = path[: path.rfind(".")]
    name = os.path.basename(path)
    found: set[str] = set()
    for ending in (".civitai.info", ".json", ".cm-info.json"):
        told = read_object(stem + ending)
        found.update(texts(told.get("sha256"), hashes_in(told.get("hashes")), hashes_in(told.get("Hashes"))))
        files = [one for one in as_list(told.get("files")) if isinstance(one, dict)]
        for file in files:
            if len(files) == 1 or file.get("name") == name:
                found.update(texts(hashes_in(file.get("hashes"))))
    return found


def hashes_in(told: Any) -> list[Any]:
    """Return the SHA-256 and its first ten digits (AutoV2) from an object of hashes by their names."""
    return [told.get("SHA256"), told.get("AutoV2")] if isinstance(told, dict) else []


def texts(*told: Any) -> Iterator[str]:
    """Yield what is text among some values and lists of them, in small letters."""
    for value in told:
        yield from (one.casefold() for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, and anything else as none."""
    return value if isinstance(value, list) else []


def claims_in_cache(root: Path) -> Mapping[str, Any]:
    """Return A1111's cached hashes by its own names of files, from the program's folder or the one above its models."""
    home = root.parent if root.name.casefold() == "models" else root
    told = read_object(os.path.join(home, "cache.json")).get("hashes")
    return told if isinstance(told, dict) else {}


def cached_claim(found: Found, caches: Iterable[Mapping[str, Any]]) -> str:
    """Return the SHA-256 that a cache claims for a file which has not changed since, nothing where none does."""
    below = found.below if found.kind == "checkpoint" else found.below[: found.below.rfind(".")]
    for cache in caches:
        told = cache.get(f"{CACHED.get(found.kind, '')}/{below}")
        if isinstance(told, dict) and isinstance(told.get("sha256"), str):
            try:
                if told.get("mtime") == os.path.getmtime(found.path):
                    return told["sha256"].casefold()
            except OSError:
                continue
    return ""


def read_object(file: str) -> dict[str, Any]:
    """Return the object in a JSON file, an empty one where there is none to be had."""
    try:
        with open(file, "rb") as opened:
            text = opened.read(LARGEST + 1)
        told = json.loads(text) if len(text) <= LARGEST else None
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
