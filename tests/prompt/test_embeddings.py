"""Embeddings are found by name, and by nothing that only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.prompt.embeddings import embeddings_in

KNOWN = ("EasyNegative", "bad-hands-5", "bad", "한국풍")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a fox", ()),
        ("easynegative, blurry", ("EasyNegative",)),
        ("(EasyNegative:1.2), (bad-hands-5)", ("bad-hands-5", "EasyNegative", "bad")),
        ("badly drawn, a badge", ()),
        ("한국풍 그림", ("한국풍",)),
        ("embedding:other.pt, a fox", ("other",)),
        ("(embedding:some/thing:1.2)", ("some/thing",)),
    ],
)
def test_names(text: str, names: tuple[str, ...]) -> None:
    assert set(embeddings_in(text, KNOWN)) == set(names)


@given(st.text(max_size=200), st.lists(st.text(min_size=1, max_size=9), max_size=4))
def test_no_text_crashes(text: str, known: list[str]) -> None:
    assert set(embeddings_in(" ".join(known), known)) <= {*known, *embeddings_in(text + " ".join(known), ())}
