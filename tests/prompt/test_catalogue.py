"""The catalogue: what its files hold, and the order in which words are found."""

from __future__ import annotations

import unicodedata
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.errors import UnknownName
from easel.prompt.catalogue import Category, Entry, folded, load_catalogue, search

CATEGORIES = load_catalogue().categories


def tags(words: str, **options: str) -> list[str]:
    return [entry.tag for entry in search(words, **options)]  # type: ignore[arg-type]


def is_korean(text: str) -> bool:
    return any("가" <= letter <= "힣" for letter in text)


def test_its_size() -> None:
    assert len(CATEGORIES) >= 25 and len(load_catalogue().entries) >= 600
    assert load_catalogue() is load_catalogue()


def test_every_file_is_a_category() -> None:
    folder = resources.files("easel.prompt").joinpath("catalogue")
    files = {file.name for file in folder.iterdir() if file.name.endswith(".csv")}
    assert files == {f"{category.name}.csv" for category in CATEGORIES} | {"categories.csv"}


@pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.name)
def test_words_of_a_category(category: Category) -> None:
    assert len(category.entries) >= 15 and is_korean(category.korean) and category.english.isascii()
    for name in ("tag", "korean"):
        names = [folded(getattr(entry, name)) for entry in category.entries]
        assert sorted(names) == sorted(set(names))
    for entry in category.entries:
        for text in (entry.tag, entry.korean, entry.note, entry.korean_note):
            assert text == unicodedata.normalize("NFC", text).strip() and "," not in text
        assert entry.tag and entry.tag.isascii() and not set(entry.tag) & set("{}|()[]<>\\_")
        assert entry.korean and (is_korean(entry.korean) or entry.korean == entry.tag.upper())
        assert bool(entry.note) == bool(entry.korean_note) and entry.category == category.name


def test_no_tag_stands_in_two_categories() -> None:
    names = [folded(entry.tag) for entry in load_catalogue().entries]
    assert len(names) == len(set(names))


def test_the_best_stands_first() -> None:
    found = tags("red")
    assert found[:3] == ["red", "red hair", "red eyes"]
    assert found.index("red hair") < found.index("infrared photography")
    assert tags("rain", category="weather") == ["rain", "heavy rain", "rainbow"]
    assert tags("light", category="light")[0] == "natural light" and tags("light")[-1] != "natural light"


def test_words_in_any_order_and_in_notes() -> None:
    assert tags("light soft") == ["soft light", "bokeh"]  # its note speaks of soft discs of light
    assert "bokeh" in tags("discs focus")
    assert tags("close up")[0] == "close-up" == tags("CLOSE-UP")[0]
    assert "gat" in tags("말총")


def test_korean() -> None:
    assert tags("수채화") == tags("수채 화") == tags(unicodedata.normalize("NFD", "수채화")) == ["watercolor"]
    assert tags("짧은 머리") == tags("짧은머리") == ["short hair"]
    assert "blue eyes" in tags("눈 파란")


def test_one_language_alone() -> None:
    assert tags("수채화", language="en") == [] and tags("watercolor", language="ko") == []
    assert tags("수채화", language="ko") == ["watercolor"]


def test_categories_by_any_name() -> None:
    eyes = [entry.tag for entry in load_catalogue().category("eyes").entries]
    assert tags("", category="Eyes") == tags("", category="눈") == eyes
    assert load_catalogue().category("time of day").name == "time"
    with pytest.raises(UnknownName, match="category 'lenz' is not known; nearest 'lens'"):
        search("", category="lenz")


def test_no_words_are_all_and_unknown_words_none() -> None:
    assert search("") == search("  ") == load_catalogue().entries
    assert search("xyzzy") == ()


@given(st.sampled_from(load_catalogue().entries))
def test_every_entry_is_found_by_its_names(entry: Entry) -> None:
    assert search(entry.tag, "en")[0] == entry
    assert entry in search(entry.korean, "ko")[:5]


@given(st.text(max_size=20))
def test_any_words_can_be_searched(words: str) -> None:
    found = search(words)
    assert len(found) == len(set(found))
