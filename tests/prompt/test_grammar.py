"""The grammar of prompts over time: its trees, what stays text, and laws that hold for any text."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from easel.prompt.grammar import DEEPEST, Alternation, Edit, Pieces, parse, to_text

TREES: dict[str, Pieces] = {
    "": (),
    "a fox": ("a fox",),
    "[a:b:0.4]": (Edit(("a",), ("b",), "0.4"),),
    "[b:3]": (Edit((), ("b",), "3"),),
    "[a::3]": (Edit(("a",), (), "3"),),
    "[:b:3]": (Edit((), ("b",), "3"),),
    "[:3]": (Edit((), (), "3"),),
    "[a : b : 5 ]": (Edit(("a ",), (" b ",), "5"),),
    "[a:b:-1]": (Edit(("a",), ("b",), "-1"),),
    "[a:b:+.5e-1]": (Edit(("a",), ("b",), "+.5e-1"),),
    "[a|b]": (Alternation((("a",), ("b",))),),
    "[|a||]": (Alternation(((), ("a",), (), ())),),
    "x [a:[b|c]:0.5] y": ("x ", Edit(("a",), (Alternation((("b",), ("c",))),), "0.5"), " y"),
    "a[b:[c:d:2]:1]e": ("a", Edit(("b",), (Edit(("c",), ("d",), "2"),), "1"), "e"),
    "[[a|b]|c]": (Alternation(((Alternation((("a",), ("b",))),), ("c",))),),
    "([a:b:3]:1.2)": ("(", Edit(("a",), ("b",), "3"), ":1.2)"),
    "[(a:1.2):(b):3]": (Edit(("(a:1.2)",), ("(b)",), "3"),),
    "[[[b]]:2]": (Edit((), ("[[b]]",), "2"),),
    "[a\\:b:c\\|d:2]": (Edit(("a\\:b",), ("c\\|d",), "2"),),
    "[a\nb:c:\t2]": (Edit(("a\nb",), ("c",), "2"),),
    "((a][:b:c [d:3]": ("((a][:b:c ", Edit((), ("d",), "3")),
    "note: (x [b:c:3], y": ("note: (x ", Edit(("b",), ("c",), "3"), ", y"),
    "[b:c:3]]": (Edit(("b",), ("c",), "3"), "]"),
    "[a:[b:c:3]:x]": ("[a:", Edit(("b",), ("c",), "3"), ":x]"),
    "빨간 [사과:여우:3]": ("빨간 ", Edit(("사과",), ("여우",), "3")),
}


@pytest.mark.parametrize("text", TREES)
def test_trees(text: str) -> None:
    assert parse(text) == TREES[text]


@pytest.mark.parametrize(
    "text",
    [
        "\\[a:b:0.5\\]",
        "[a:b:c:0.5]",
        "[a:b]",
        "[a:b:]",
        "[a:b:1.2.3]",
        "[a:b:5x]",
        "[a:b:५]",
        "[a:b:(5)]",
        "[a]",
        "(a:1.2)",
        "([a)]",
        "(a:b:c)",
        "[(a:b:c):d:3]",
        "a [unbalanced",
        "[a:b:3",
        "a:b",
    ],
)
def test_what_has_no_meaning_in_time_is_text(text: str) -> None:
    assert parse(text) == (text,)


@pytest.mark.parametrize(
    "text",
    ["a | b [c:d:3]", "[x (a|b)|c]", "[a|b:3] [c:d:3]", "[a|b [c:d:3]", "[c:d:3] \\", "[c:d:3] \\\n", "a)|[c:d:3]"],
)
def test_a_bar_or_a_backslash_out_of_place_makes_the_whole_prompt_text(text: str) -> None:
    assert parse(text) == (text,)


def nested(depth: int) -> str:
    return "[" * depth + "a" + ":1]" * depth


def test_changes_nest_as_deep_as_is_said_and_no_deeper() -> None:
    assert isinstance(parse(nested(DEEPEST))[0], Edit)
    assert parse(nested(DEEPEST + 1)) == (nested(DEEPEST + 1),)


ALPHABET = st.sampled_from(
    [*list("[][]():||\\ \n.ab13"), "[a:b:", ":0.5]", ":2]", "[a|", "|]", ":1.2)", "\\[", "사", "\u2028"]
)
TEXTS = st.one_of(st.text(max_size=200), st.lists(ALPHABET, max_size=60).map("".join))
WORDS = st.text(st.sampled_from("ab ,\n사"), max_size=4)
NUMBERS = st.sampled_from(["0", "3", "0.5", "1.25", "-1", " 2 ", "2.", ".3", "1e1"])
CHANGING = st.recursive(
    WORDS,
    lambda inner: st.one_of(
        st.builds("[{}:{}:{}]".format, inner, inner, NUMBERS),
        st.lists(inner, min_size=2, max_size=4).map(lambda options: f"[{'|'.join(options)}]"),
        st.builds("({}:1.2)".format, inner),
        st.builds("{}{}".format, inner, inner),
    ),
    max_leaves=12,
)


@given(TEXTS | CHANGING)
@settings(deadline=None)
@example("[a: 5 ]")
@example("[:[|]:.5]")
def test_printed_and_parsed_again_is_the_same(text: str) -> None:
    pieces = parse(text)
    assert parse(to_text(pieces)) == pieces
    assert all(not (isinstance(a, str) and isinstance(b, str)) for a, b in pairwise(pieces))


@given(CHANGING)
@settings(deadline=None)
def test_what_is_well_formed_is_printed_as_it_was_but_for_the_space_round_numbers(text: str) -> None:
    assert to_text(parse(text)) == text.replace(": 2 ]", ":2]")


@given(CHANGING, CHANGING)
@settings(deadline=None)
def test_an_edit_of_any_two_texts_is_an_edit(before: str, after: str) -> None:
    assert parse(f"[{before}:{after}:7]") == (Edit(parse(before), parse(after), "7"),)


@pytest.mark.parametrize(
    "unit",
    [
        "(",
        "[",
        ")",
        "]",
        ":",
        "|",
        "\\",
        "\\[",
        "a",
        " ",
        "1",
        "[a:",
        "[a|",
        "[|",
        "[:1]",
        "[|]",
        ":1]",
        "[[a:1]",
        "(a:",
        "[(",
    ],
)
def test_long_hostile_texts_are_read_in_linear_time(unit: str) -> None:
    text = unit * (20_000 // len(unit))
    started = time.process_time()
    pieces = parse(text)
    assert parse(to_text(pieces)) == pieces
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("(", ")"), ("[", ":3]"), ("[", "|]"), ("([", ":3])")])
def test_ten_thousand_brackets_within_each_other(opening: str, closing: str) -> None:
    text = opening * 10_000 + "[a:b:3]" + closing * 10_000
    emphasis = closing in ("]", ")")
    assert parse(text) == ((opening * 10_000, Edit(("a",), ("b",), "3"), closing * 10_000) if emphasis else (text,))
