"""A browser is answered in the language that it asks for most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.languages import preferred

KNOWN = ("en", "ko")


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "en"),
        ("ko", "ko"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("fr-FR, ko;q=0.5, en;q=0.4", "ko"),
        ("de", "en"),
        ("ko;q=0", "en"),
        ("ko;q=nonsense, en;q=0.1", "en"),
        ("*", "en"),
    ],
)
def test_the_most_wanted_that_is_known(asked: str, language: str) -> None:
    assert preferred(asked, KNOWN) == language


@given(st.text())
def test_anything_asks_for_one_that_is_known(asked: str) -> None:
    assert preferred(asked, KNOWN) in KNOWN
