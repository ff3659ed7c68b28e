"""Every word of the page, by key, in English and Korean. Knows no widgets and no tabs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

LANGUAGES = ("en", "ko")  # the first is taken where a browser asks for neither


@dataclass(frozen=True, slots=True)
class Words:
    """The page's words in one language. table: texts by their full key, such as "create.prompt"."""

    language: str
    table: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of a key, its {names} filled in. Raises KeyError for a key that is nowhere."""
        text = self.table[key]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Return whether there is a text of this key."""
        return key in self.table


@cache
def words_of(language: str) -> Words:
    """Return the words of one of LANGUAGES."""
    text = resources.files(__name__).joinpath(f"{language}.toml").read_text(encoding="utf-8")
    return Words(language, flat(tomllib.loads(text)))


def flat(table: Mapping[str, object], above: str = "") -> dict[str, str]:
    """Return tables within tables as one, with keys such as "create.prompt"."""
    found: dict[str, str] = {}
    for name, value in table.items():
        key = f"{above}.{name}" if above else name
        if isinstance(value, Mapping):
            found |= flat(value, key)
        else:
            found[key] = str(value)
    return found
