"""Where words stand among tokens: whole words, plurals, Korean words with their particles, several chunks."""

from __future__ import annotations

import pytest

from easel.core.passes import Words
from easel.core.work import Text
from easel.models.library.names import STARTER
from easel.models.words.places import Places, places_of
from easel.models.words.tokens import Reader, load_reader


@pytest.fixture(scope="module")
def reader() -> Reader:
    return load_reader(STARTER)


@pytest.mark.parametrize(
    "words, text, said",
    [
        ("fox", "a fox and a pumpkin", "fox"),
        ("Fox", "a FOX", "fox"),
        ("pumpkin", "a fox and two pumpkins", "pumpkin"),
        ("red apple", "a (red apple:1.3), a red fox", "red apple"),
        ("fox", "a fox, BREAK a fox", "fox fox"),
        ("여우", "여우하고 호박", "여우"),
        ("호박", "여우하고 호박", "호박"),
        ("cat", "a dog", ""),
        ("cat", "a bobcat", ""),
    ],
)
def test_words_are_found_among_tokens(reader: Reader, words: str, text: str, said: str) -> None:
    asked = Text(text)
    places = places_of(words, reader, asked)
    ids = [number for chunk in reader.chunks(asked) for number in chunk.ids]
    found = str(reader.tokenizer.decode([ids[place] for place in places.words])).strip()
    assert found.startswith(said) and bool(found) == bool(said)
    assert len(found.split()) == len(said.split())
    assert set(places.words) <= set(places.text)
    assert not set(places.text) & {place for place, number in enumerate(ids) if number == reader.marks.begin}


def test_a_word_is_itself_rather_than_a_beginning(reader: Reader) -> None:
    text = Text("a foxglove and a fox", words=Words(emphasis="None"))
    places = places_of("fox", reader, text)
    assert places.words == (places.text[-1],)
    assert places_of("", reader, text).words == ()
    assert places_of("fox", reader, Text("")) == Places((), ())
