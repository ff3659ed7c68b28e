"""The laws of errors: every message is one line, names the value, and offers the nearest known name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core import errors
from easel.core.errors import BadValue, EaselError, Internal, OutOfMemory, UnknownName, nearest, shown

SAMPLERS = ("Euler", "Euler a", "DPM++ 2M", "DPM++ 2M SDE", "Heun", "UniPC")


class Rude:
    """A value whose own description has several lines."""

    def __repr__(self) -> str:
        return "one\ntwo\r\n\u2028three"


@given(st.one_of(st.text(), st.binary(), st.floats(), st.integers(), st.none(), st.lists(st.text()), st.just(Rude())))
def test_a_shown_value_is_one_short_printable_line(value: object) -> None:
    text = shown(value)
    assert text.isprintable()
    assert len(text) < errors.LONGEST_VALUE_SHOWN + 40


def test_a_long_value_is_cut_and_its_length_told() -> None:
    assert shown("a" * 100_000).endswith("… (100000 characters)")


def test_lone_surrogates_can_be_printed() -> None:
    shown("fox \ud83e").encode("utf-8")


@given(st.text())
def test_an_unknown_name_is_told_in_one_line(name: str) -> None:
    message = UnknownName("sampler", name, SAMPLERS).message
    assert message.isprintable()
    assert message.startswith("sampler ")


@pytest.mark.parametrize(
    ("asked", "offered"),
    [("dpm++2m", "DPM++ 2M"), ("EULER A", "Euler a"), ("Huen", "Heun"), ("", None), ("q" * 100_000, None)],
)
def test_nearest_ignores_case_and_spaces(asked: str, offered: str | None) -> None:
    assert nearest(asked, SAMPLERS) == offered


def test_the_message_of_the_plan() -> None:
    error = UnknownName("sampler", "dpm++2m", SAMPLERS, listing="`easel models samplers`")
    assert str(error) == ("sampler 'dpm++2m' is not known; nearest 'DPM++ 2M'. `easel models samplers` lists all 6.")


def test_a_bad_value_says_what_is_allowed_and_what_to_do() -> None:
    error = BadValue("width", 511, "a multiple of 8", remedy="nearest are 504 and 512")
    assert str(error) == "width is 511, allowed is a multiple of 8; nearest are 504 and 512."


def test_out_of_memory_tells_only_what_the_machine_said() -> None:
    told = OutOfMemory(3 * 2**30, None, "ask for fewer pictures at once")
    assert str(told) == "out of memory (needed 3072 MiB); ask for fewer pictures at once."
    assert str(OutOfMemory(None, None, "ask for less")) == "out of memory; ask for less."


def test_an_internal_error_of_several_lines_is_one_line() -> None:
    error = Internal("run-7", ValueError("first\nsecond"))
    assert str(error) == "internal error in run run-7: ValueError: first second"


def test_every_error_is_in_the_tree() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(classes) > 10
    assert all(issubclass(kind, EaselError) for kind in classes)
    assert all(kind.__name__ in (errors.__doc__ or "") for kind in classes)
