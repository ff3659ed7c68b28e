"""Emphasis: AUTOMATIC1111's golden rows, and laws that hold for any text."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.prompt.attention import BREAK, HEAVIEST, Fragment, parse_attention, to_text

GOLDEN: dict[str, list[tuple[str, float]]] = {
    "": [("", 1.0)],
    "normal text": [("normal text", 1.0)],
    "an (important) word": [("an ", 1.0), ("important", 1.1), (" word", 1.0)],
    "(unbalanced": [("unbalanced", 1.1)],
    "\\(literal\\]": [("(literal]", 1.0)],
    "(unnecessary)(parens)": [("unnecessaryparens", 1.1)],
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).": [
        ("a ", 1.0),
        ("house", 1.5730000000000004),
        (" ", 1.1),
        ("on", 1.0),
        (" a ", 1.1),
        ("hill", 0.55),
        (", sun, ", 1.1),
        ("sky", 1.4641000000000006),
        (".", 1.1),
    ],
    "a BREAK b": [("a", 1), ("BREAK", -1), ("b", 1)],
    "(a BREAK b)": [("a", 1.1), ("BREAK", -1.1), ("b", 1.1)],
    "[a:2]": [("a:2", 0.9090909090909091)],
    "(a:1.2:3)": [("a:1.2", 3.0)],
    "(a:1,2)": [("a:1,2", 1.1)],
    "(a:)": [("a:", 1.1)],
    "(a: 1.5 )": [("a", 1.5)],
    "((a:2))": [("a", 2.2)],
    "(word:1.5": [("word:1.5", 1.1)],
    "x:1.5)": [("x:1.5)", 1.0)],
    "a) b": [("a) b", 1.0)],
    "([a])": [("a", 1.0)],
    "(a:-1)": [("a", -1.0)],
    "(a\\))": [("a)", 1.1)],
    "[[a]]": [("a", 0.8264462809917354)],
    "a BREAKb": [("a BREAKb", 1.0)],
}


@pytest.mark.parametrize("text", GOLDEN)
def test_golden_rows_of_a1111(text: str) -> None:
    assert [(fragment.text, fragment.weight) for fragment in parse_attention(text)] == GOLDEN[text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a:b:0.4]", [("a:b:0.4", 0.9090909090909091)]),
        ("a AND b :0.5", [("a AND b :0.5", 1.0)]),
        ("[a|b]", [("a|b", 0.9090909090909091)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
        ("(a:.)", [("a:.", 1.1)]),
        ("(a:.5)", [("a", 0.5)]),
        ("(a:2.)", [("a", 2.0)]),
        ("(a:+2)", [("a", 2.0)]),
        ("(a", [("a", 1.1)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1.0), (" c", 0.9090909090909091)]),
        ("a \\ b \\\\", [("a  b \\", 1.0)]),
        ("빨간 (사과:1.3)", [("빨간 ", 1.0), ("사과", 1.3)]),
        ("BREAK BREAK", [("", 1), ("BREAK", -1), ("", 1), ("BREAK", -1), ("", 1)]),
        ("a\n BREAK\t(b)", [("a", 1), ("BREAK", -1), ("", 1), ("b", 1.1)]),
        ("(a:" + "9" * 5000 + ")", [("a", HEAVIEST)]),
        ("(a:-" + "9" * 5000 + ")", [("a", -HEAVIEST)]),
    ],
)
def test_what_stands_beside_the_golden_rows(text: str, expected: list[tuple[str, float]]) -> None:
    assert [(fragment.text, fragment.weight) for fragment in parse_attention(text)] == expected


def test_only_a_bare_break_ends_a_chunk() -> None:
    assert parse_attention("a BREAK b")[1] == BREAK
    assert BREAK.is_break
    assert not any(fragment.is_break for fragment in parse_attention("(a BREAK b) BR\\EAK"))


ALPHABET = st.sampled_from([*list("()[]\\:.+- \n\t1209ab,|"), "BREAK", " BREAK ", ":1.3)", "(", "))", "사", "\u2028"])
TEXTS = st.one_of(st.text(max_size=200), st.lists(ALPHABET, max_size=60).map("".join))


@given(TEXTS)
def test_any_text_parses_to_finite_weights_and_merged_neighbours(text: str) -> None:
    fragments = parse_attention(text)
    assert fragments
    assert all(-HEAVIEST <= fragment.weight <= HEAVIEST for fragment in fragments)
    assert all(a.weight != b.weight for a, b in pairwise(fragments))


@given(TEXTS)
def test_printed_and_parsed_again_is_the_same(text: str) -> None:
    fragments = parse_attention(text)
    assert parse_attention(to_text(fragments)) == fragments


@pytest.mark.parametrize("text", ["a (red:1.3) fox", "a BREAK b", "BREAK b", "BREAK BREAK", "a \\(b\\)"])
def test_plain_prompts_print_as_they_were_written(text: str) -> None:
    assert to_text(parse_attention(text)).strip() == text


def test_a_break_made_of_pieces_is_printed_so_that_it_stays_one() -> None:
    fragments = parse_attention("(a:2)(BR\\EAK:-1)(b:3)")
    assert fragments == (Fragment("a", 2.0), BREAK, Fragment("b", 3.0))
    assert parse_attention(to_text(fragments)) == fragments


@pytest.mark.parametrize(
    "unit",
    ["(", "[", ")", "(a", "[(", "()", "((a:1.1)", "\\", ":", ": ", ":1", "1", " ", " BREAK", "(a:1000)[", "a(b[c)d]"],
)
def test_long_hostile_texts_are_read_in_linear_time(unit: str) -> None:
    text = "(:" + unit * (20_000 // len(unit))
    started = time.process_time()
    fragments = parse_attention(text)
    to_text(fragments)
    assert time.process_time() - started < 2.0
