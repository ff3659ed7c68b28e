"""Amounts of memory as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.amounts import ALLOWED, Amount, amount
from easel.core.errors import BadValue
from easel.core.settings import choosing, read_settings

GIB = 2**30


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8GB", Amount(8 * 10**9)),
        ("8 gib", Amount(8 * GIB)),
        ("1.5GB", Amount(1_500_000_000)),
        (" 512MB ", Amount(512 * 10**6)),
        ("100b", Amount(100)),
        ("75%", Amount(share=0.75)),
        ("auto", Amount()),
        ("AUTO", Amount()),
    ],
)
def test_what_is_understood(text: str, expected: Amount) -> None:
    assert amount(text) == expected


@pytest.mark.parametrize("text", ["", "8", "GB", "8G", "-1GB", "0GB", "0%", "101%", "nan%", "1e3MB", "8GB ok", "0.1B"])
def test_what_is_not(text: str) -> None:
    with pytest.raises(ValueError, match="a size such as 8GB"):
        amount(text)


@given(st.text(max_size=12))
def test_any_text_is_an_amount_or_one_clear_error(text: str) -> None:
    try:
        found = amount(text)
    except ValueError as error:
        assert str(error) == ALLOWED
    else:
        assert 0 <= found.of(8 * GIB, 6 * GIB) <= 8 * GIB


def test_amounts_of_what_there_is() -> None:
    assert amount("auto").of(all=10, auto=7) == 7
    assert amount("50%").of(all=10, auto=7) == 5
    assert amount("4B").of(all=10, auto=7) == 4
    assert amount("1GB").of(all=10, auto=7) == 10


@pytest.mark.parametrize("name", ["vram", "ram"])
def test_settings_take_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert getattr(read_settings(), name) == "auto"
    monkeypatch.setenv(f"EASEL_{name.upper()}", "75%")
    assert getattr(read_settings(), name) == "75%"
    with pytest.raises(BadValue, match=f"setting {name} is 'lots', allowed is a size such as 8GB"):
        read_settings(**{name: "lots"})


def test_settings_chosen_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_VRAM", "1GB")
    with choosing(vram="2GB", ram=None):
        with choosing(ram="3GB"):
            assert (read_settings().vram, read_settings().ram) == ("2GB", "3GB")
        assert (read_settings().vram, read_settings().ram) == ("2GB", "auto")
        assert read_settings(vram="4GB").vram == "4GB"
    assert read_settings().vram == "1GB"
