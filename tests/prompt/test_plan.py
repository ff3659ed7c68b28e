"""Prompts over time: AUTOMATIC1111's golden rows, and laws that hold for any text and any number of calls."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from easel.prompt.attention import HEAVIEST
from easel.prompt.plan import Held, Part, held_at, parts, plan, plan_negative, schedule, strip_comments

GOLDEN: list[tuple[str, int, list[tuple[int, str]]]] = [
    ("test", 10, [(10, "test")]),
    ("[a:b:0.4]", 20, [(8, "a"), (20, "b")]),
    ("[a:b:1.4]", 20, [(20, "a")]),
    ("[a:b:0]", 20, [(20, "b")]),
    ("[a:b:1]", 20, [(1, "a"), (20, "b")]),
    ("[a:b:1.0]", 20, [(20, "a")]),
    ("[a|b|c]", 6, [(1, "a"), (2, "b"), (3, "c"), (4, "a"), (5, "b"), (6, "c")]),
    ("[a:[b|c]:0.5]", 6, [(1, "a"), (2, "a"), (3, "a"), (4, "c"), (5, "b"), (6, "c")]),
    ("[a:b:-1]", 10, [(10, "b")]),
    ("[a : b : 5]", 10, [(5, "a "), (10, " b ")]),
    ("\\[a:b:0.5\\]", 20, [(20, "\\[a:b:0.5\\]")]),
    ("[a:b:c:0.5]", 20, [(20, "[a:b:c:0.5]")]),
    ("a [b: 3]", 10, [(3, "a "), (10, "a b")]),
    ("a [[[b]]:2]", 10, [(2, "a "), (10, "a [[b]]")]),
    ("[(a:2):3]", 10, [(3, ""), (10, "(a:2)")]),
    ("a [b : c : 1] d", 10, [(1, "a b  d"), (10, "a  c  d")]),
    ("a[b:[c:d:2]:1]e", 10, [(1, "abe"), (2, "ace"), (10, "ade")]),
    ("a [unbalanced", 10, [(10, "a [unbalanced")]),
    ("a [b:.5] c", 10, [(5, "a  c"), (10, "a b c")]),
    ("((a][:b:c [d:3]", 10, [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
    ("[fe|||]male", 5, [(1, "female"), (2, "male"), (3, "male"), (4, "male"), (5, "female")]),
]
SECOND_PASS: list[tuple[str, list[tuple[int, str]]]] = [  # 20 calls, then 10
    ("[a:b:0.4]", [(10, "b")]),
    ("[a:b:1.4]", [(3, "a"), (10, "b")]),
    ("[a:b:1.5]", [(5, "a"), (10, "b")]),
    ("[a:b:25]", [(5, "a"), (10, "b")]),
    ("[a:b:20]", [(10, "b")]),
    ("[a:b:2.0]", [(10, "a")]),
]


def rows(held: tuple[Held, ...]) -> list[tuple[int, str]]:
    return [(one.until, one.text) for one in held]


@pytest.mark.parametrize(("text", "calls", "expected"), GOLDEN)
def test_golden_rows_of_a1111(text: str, calls: int, expected: list[tuple[int, str]]) -> None:
    assert rows(schedule(text, calls)) == expected


@pytest.mark.parametrize(("text", "expected"), SECOND_PASS)
def test_the_hires_pass_goes_on_where_the_first_ended(text: str, expected: list[tuple[int, str]]) -> None:
    assert rows(schedule(text, 10, base_calls=20)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a:b:0.4]", [(4, "a"), (10, "b")]),
        ("[a:b:1.0]", [(1, "a"), (10, "b")]),
        ("[a:b:1.9]", [(1, "a"), (10, "b")]),
        ("[a:b:25]", [(10, "a")]),
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:1e-1]", [(1, "a"), (10, "b")]),
    ],
)
def test_the_old_rule_counts_in_the_pass_at_hand(text: str, expected: list[tuple[int, str]]) -> None:
    assert rows(schedule(text, 10, old=True)) == rows(schedule(text, 10, base_calls=20, old=True)) == expected


def test_fractions_scale_with_a_sampler_of_second_order_and_whole_numbers_do_not() -> None:
    assert rows(schedule("[a:b:0.5]", 2 * 20)) == [(20, "a"), (40, "b")]
    assert rows(schedule("[a:b:5]", 2 * 20)) == [(5, "a"), (40, "b")]


@pytest.mark.parametrize("when", ["9" * 400, "1e999", "9" * 400 + ".0", "-1e999", "-.5", "1e1"])
def test_numbers_beyond_any_call(when: str) -> None:
    expected = [(10, "b")] if when.startswith("-") else [(10, "a")]
    assert rows(schedule(f"[a:b:{when}]", 10)) == expected


def test_the_first_text_holds_one_call_longer() -> None:
    held = schedule("[a:b:0.4]", 20)
    assert [held[held_at(held, call)].text for call in range(20)] == ["a"] * 9 + ["b"] * 11
    turns = schedule("[a|b]", 6)
    assert [turns[held_at(turns, call)].text for call in range(6)] == ["a", "a", "b", "a", "b", "a"]


def test_the_last_text_holds_for_calls_that_nobody_announced() -> None:
    held = schedule("[a:b:0.4]", 20)
    assert [held_at(held, call) for call in (20, 21, 1000)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a :1.2 AND b :0.5", [("a", 1.2), (" b", 0.5)]),
        ("a:1.2", [("a", 1.2)]),
        ("", [("", 1.0)]),
        (" a ", [(" a", 1.0)]),
        ("a AND b", [("a", 1.0), (" b", 1.0)]),
        ("a AND a", [("a", 1.0), (" a", 1.0)]),
        ("a AND", [("a", 1.0), ("", 1.0)]),
        ("a AND b:-0.5", [("a", 1.0), (" b", -0.5)]),
        ("a: +.5 ", [("a", 0.5)]),
        ("a:2.", [("a", 2.0)]),
        ("a:1:2", [("a:1", 2.0)]),
        ("a\nb :2\n", [("a\nb", 2.0)]),
        (":2", [("", 2.0)]),
        ("a:", [("a:", 1.0)]),
        ("a:b", [("a:b", 1.0)]),
        ("a:1e3", [("a:1e3", 1.0)]),
        ("(a:1.2)", [("(a:1.2)", 1.0)]),
        ("SAND and ANDy", [("SAND and ANDy", 1.0)]),
        ("[a AND b:3]", [("[a", 1.0), (" b:3]", 1.0)]),
        ("a:" + "9" * 400, [("a", HEAVIEST)]),
        ("a:-" + "9" * 400, [("a", -HEAVIEST)]),
    ],
)
def test_parts_and_their_weights(text: str, expected: list[tuple[str, float]]) -> None:
    assert list(parts(text)) == expected


def test_each_part_has_its_own_time() -> None:
    assert plan("[a:b:5] :1.2 AND c", 10) == (
        Part(1.2, (Held(5, "a"), Held(10, "b"))),
        Part(1.0, (Held(10, " c"),)),
    )
    assert plan("[a:b:25] AND c", 10, base_calls=20)[0].held == (Held(5, "a"), Held(10, "b"))
    assert plan("[a:b:.5]", 10, base_calls=20, old=True)[0].held == (Held(5, "a"), Held(10, "b"))


def test_in_a_negative_prompt_and_is_a_word() -> None:
    assert plan_negative("[a:b:5] AND c:2", 10) == (Held(5, "a AND c:2"), Held(10, "b AND c:2"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a fox", "a fox"),
        ("a # b", "a "),
        ("a # b # c\nd", "a \nd"),
        ("# a\nb", "b"),
        ("a\n# b\nc", "a\nc"),
        ("a\n  # b\n#c\n#\nd", "a\nd"),
        ("a\n#b", "a\n"),
        ("#", ""),
        ("a\n\nb", "a\n\nb"),
        ("a \\# b", "a # b"),
        ("\\#1 # no", "#1 "),
        ("a \\\\# b", "a \\\\"),
        ("\\(a\\) #", "\\(a\\) "),
        ("a\\", "a\\"),
        ("a\\\n# b", "a\\\n"),
    ],
)
def test_comments_go(text: str, expected: str) -> None:
    assert strip_comments(text) == expected


PIECES = st.sampled_from(
    [
        "a",
        " b",
        "[",
        "]",
        "(",
        ")",
        ":",
        "|",
        "[c:d:",
        "[e|",
        "0.5]",
        "3]",
        ":1.2",
        " AND ",
        "\\",
        "#",
        "\n",
        "[f|g]",
        "[h:i:.3]",
    ]
)
TEXTS = st.one_of(st.text(max_size=100), st.lists(PIECES, max_size=20).map("".join))
CALLS = st.integers(1, 50)


@given(TEXTS, CALLS, st.none() | CALLS, st.booleans())
@settings(deadline=None)
@example("[a|b][c:d:2]", 1, None, False)
def test_at_every_call_each_part_holds_one_text(text: str, calls: int, base_calls: int | None, old: bool) -> None:
    for part in plan(text, calls, base_calls=base_calls, old=old):
        assert -HEAVIEST <= part.weight <= HEAVIEST
        ends = [one.until for one in part.held]
        assert all(a < b for a, b in pairwise(ends))
        assert ends[0] >= 1
        assert ends[-1] == calls
        for call in range(calls):
            assert [held_at(part.held, call)] == [
                place for place, one in enumerate(part.held) if call <= one.until and call > ([-1, *ends][place])
            ]


@given(st.lists(st.text(st.sampled_from("ab "), max_size=3), min_size=2, max_size=5), CALLS)
@settings(deadline=None)
def test_an_alternation_goes_round(options: list[str], calls: int) -> None:
    held = schedule(f"x[{'|'.join(options)}]", calls)
    assert rows(held) == [(call, "x" + options[(call - 1) % len(options)]) for call in range(1, calls + 1)]


@given(st.text(max_size=100))
@settings(deadline=None)
def test_a_text_without_comments_stays(text: str) -> None:
    clean = text.replace("#", "")
    assert strip_comments(clean) == clean
    assert strip_comments(clean.replace("\\", "") + "\\#") == clean.replace("\\", "") + "#"


@pytest.mark.parametrize(
    "unit", ["AND", "a AND ", ":1 ", ": ", " ", "1", ":", "#", "\n#", " #", "\\#", "\n ", "[a:1]AND ", "[|]"]
)
def test_long_hostile_texts_are_planned_in_linear_time(unit: str) -> None:
    text = unit * (20_000 // len(unit))
    started = time.process_time()
    plan(text, 20)
    plan(text + "x", 20)
    strip_comments(text)
    assert time.process_time() - started < 2.0
