"""The page's words: both catalogues say the same, nothing is missing, and nothing is said that nobody uses."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import easel.ui
from easel.core import errors
from easel.core.languages import preferred
from easel.core.pictures import Soft
from easel.models.library.cards import FIELDS
from easel.models.readers import all_preprocessors
from easel.ui.words import LANGUAGES, words_of

HOME = Path(easel.ui.__file__).parent
SOURCES = {file: file.read_text(encoding="utf-8") for kind in ("py", "js") for file in HOME.rglob(f"*.{kind}")}
TEXT = "\n".join(SOURCES.values())
ASKED = re.compile(r"""\bsay\(\s*(f?)"([^"]+)\"""")
HOLE = re.compile(r"\\\{[^}]*\\\}|\\\$\\\{[^}]*\\\}")


def holes(text: str) -> set[str]:
    """Return the names of what is filled into a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_the_languages_have_the_same_keys() -> None:
    first, *others = (set(words_of(language).table) for language in LANGUAGES)
    for other in others:
        assert first ^ other == set()


@pytest.mark.parametrize("key", sorted(words_of("en").table))
def test_a_text_says_something_with_the_same_holes(key: str) -> None:
    texts = [words_of(language).table[key] for language in LANGUAGES]
    assert all(text.strip() for text in texts)
    assert len({frozenset(holes(text)) for text in texts}) == 1


def test_korean_is_korean() -> None:
    spoken = [key for key, text in words_of("ko").table.items() if re.search("[가-힣]", text)]
    assert len(spoken) > 0.9 * len(words_of("ko").table)


def test_no_key_is_missing() -> None:
    table = words_of("en").table
    missing = set()
    for formed, key in ASKED.findall(TEXT):
        if "." not in key:  # scripts are given the words of their own section alone
            continue
        if "{" in key and formed:
            shape = re.compile(HOLE.sub(".+", re.escape(key)))
            if not any(shape.fullmatch(one) for one in table):
                missing.add(key)
        elif key not in table:
            missing.add(key)
    assert missing == set()


def test_no_key_is_unused() -> None:
    """A key is used where it stands in a text of the programs, whole or without what leads it, or with holes in it."""
    texts = {
        "tags",
        *Soft.model_fields,
        *(name.lower().replace(" ", "_") for name in FIELDS),
        *(entry.name for entry in all_preprocessors()),
        *vars(errors),
    }  # asked for by other names
    texts |= set(re.findall(r"""["'`]([\w.{}$]+)["'`]""", TEXT)) | set(re.findall(r"\b(\w+):? ?[=:,(]", TEXT))
    shapes = {HOLE.sub(".+", re.escape(text)) for text in texts if "{" in text}
    formed = [re.compile(shape) for shape in shapes if len(re.sub(r"^\w+\\\.|\W", "", shape.replace(".+", ""))) > 2]

    def used(key: str) -> bool:
        parts = key.split(".")
        ends = {".".join(parts[start:]) for start in range(len(parts))}
        return bool(ends & texts) or any(shape.fullmatch(end) for shape in formed for end in ends)

    assert [key for key in words_of("en").table if not used(key)] == []


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("ko-KR,ko;q=0.9,en-US;q=0.8", "ko"),
        ("en-GB,ko;q=0.9", "en"),
        ("fr-FR,fr;q=0.9", "en"),
        ("fr, ko;q=0.2, en;q=0.1", "ko"),
        ("", "en"),
        ("ko;q=nonsense, en;q=0.5", "en"),
        ("*", "en"),
    ],
)
def test_the_browsers_wish(accepted: str, language: str) -> None:
    assert preferred(accepted, LANGUAGES) == language
