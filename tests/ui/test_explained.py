"""The help: both languages explain the same, and every sampler, schedule and upscaler that there is, and no other."""

from __future__ import annotations

import re

import pytest

from easel.post.upscalers import upscalers
from easel.sampling import samplers, schedules
from easel.ui.explained import chapters, chapters_of
from easel.ui.words import LANGUAGES

REGISTRIES = {"samplers": samplers, "schedules": schedules, "upscalers": upscalers}
HANGUL = re.compile("[가-힣]")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", REGISTRIES)
def test_everything_that_can_be_chosen_is_explained(kind: str, language: str) -> None:
    (chapter,) = [one for one in chapters(language) if one.id == kind]
    assert {entry.name for entry in chapter.entries} == set(REGISTRIES[kind].names)


def test_languages_explain_the_same_in_the_same_order() -> None:
    first, *others = ([(one.id, [entry.id for entry in one.entries]) for one in chapters(name)] for name in LANGUAGES)
    assert all(first == other for other in others)


@pytest.mark.parametrize("language", LANGUAGES)
def test_entries_are_whole_and_short(language: str) -> None:
    entries = [entry for chapter in chapters(language) for entry in chapter.entries]
    assert len({entry.id for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.name.strip() == entry.name != ""
        assert 10 <= len(entry.text) <= 320, entry.name
        assert not re.search(r"  |\n", entry.text), entry.name
        assert bool(HANGUL.search(entry.text)) == (language == "ko"), entry.name


def test_no_chapter_is_empty_and_every_term_has_one() -> None:
    assert all(chapter.entries for chapter in chapters("en"))
    with pytest.raises(KeyError):
        lists = {"samplers": {}, "schedules": {}, "upscalers": {}}
        chapters_of({"groups": {}, "terms": {"a": {"group": "none", "name": "A", "text": "b"}}, **lists})
