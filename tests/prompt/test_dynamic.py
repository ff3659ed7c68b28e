"""Dynamic prompts: what each form means, and that one draw is always one of all outcomes."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from easel.core.errors import BadValue, RequestError, UnknownName, Unsupported
from easel.prompt.choices import DEEPEST, Option, Pool, parts_of, pool_of, weighted
from easel.prompt.dynamic import LONGEST, MOST_NAMES, draw, outcomes, varies

LISTS = {
    "flavour": ["vanilla", "3::mint", "{dark|white} chocolate"],
    "two": ["__flavour__", "plain"],
    "empty": ["", "{|}"],
    **{f"laugh{i}": [f"__laugh{i + 1}__" * 10] for i in range(30)},
    "laugh30": ["{|}"],
    **{f"chain{i}": [f"{{__chain{i + 1}__}}"] for i in range(200)},
    "chain200": ["end"],
    **{f"n{i}": ["a"] for i in range(MOST_NAMES + 1)},
    "circle": ["__circle__"],
    "long": ["{0::" + "x" * 50_000 + "}"],
    "many": [f"e{i}" for i in range(30_000)],
}


def lookup(name: str) -> Pool:
    if name not in LISTS:
        raise UnknownName("wildcard", name, LISTS, listing="this test")
    return pool_of(map(weighted, LISTS[name]))


def every(text: str) -> list[str]:
    return list(outcomes(text, lookup))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [""]),
        ("a fox", ["a fox"]),
        ("{a|b|c}", ["a", "b", "c"]),
        ("{a|b} {x|y}", ["a x", "a y", "b x", "b y"]),
        ("{2::a|.5::b|0.25:: c|0::d}", ["a", "b", " c"]),
        ("{a|a|b}", ["a", "b"]),
        ("{a|{b|c}d}", ["a", "bd", "cd"]),
        ("{|a}", ["", "a"]),
        ("{a}", ["a"]),
        ("{{{a}}}", ["a"]),
        ("x{}y", ["xy"]),
        ("{0::a}", [""]),
        ("{2$$a|b|c}", ["a, b", "a, c", "b, a", "b, c", "c, a", "c, b"]),
        ("{1-2$$a|b}", ["a", "b", "a, b", "b, a"]),
        ("{2-1$$a|b}", ["a", "b", "a, b", "b, a"]),
        ("{-1$$a|b}", ["a", "b"]),
        ("{2-$$a|b}", ["a, b", "b, a"]),
        ("{-$$a|b}", ["a", "b", "a, b", "b, a"]),
        ("{0-1$$a|b}", ["", "a", "b"]),
        ("{5$$a|b}", ["a, b", "b, a"]),
        ("{2$$ and $$a|b}", ["a and b", "b and a"]),
        ("{2$$$$a|b}", ["ab", "ba"]),
        ("{2$$\\|$$a|b}", ["a|b", "b|a"]),
        ("{ 2 $$ a | b }", ["a, b", "b, a"]),
        ("{2$$a|{b|c}}", ["a, b", "a, c", "b, a", "c, a"]),
        ("__flavour__", ["vanilla", "mint", "dark chocolate", "white chocolate"]),
        ("{x|__two__}", ["x", "vanilla", "mint", "dark chocolate", "white chocolate", "plain"]),
        ("{2$$__empty__}", [", "] * 2),
    ],
)
def test_outcomes(text: str, found: list[str]) -> None:
    assert every(text) == found


def test_several_of_one_wildcard_are_different_entries() -> None:
    found = every("{2$$ + $$__flavour__}")
    assert len(found) == 3 * 2 + 4 and "mint + mint" not in found and "dark chocolate + vanilla" in found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a { b", "a { b"),
        ("a } b | c", "a } b | c"),
        ("{a|b", "{a|b"),
        ("a|b", "a|b"),
        ("\\{a\\|b\\}", "{a|b}"),
        ("\\(a\\) \\\\ \\", "\\(a\\) \\\\ \\"),
        ("\\__flavour\\__ \\$5 \\#1", "__flavour__ $5 #1"),
        ("foo__ bar __baz __ ____ __x", "foo__ bar __baz __ ____ __x"),
        ("$$ ${", "$$ ${"),
        ("[a|b] (c:1.2) <lora:d:1>", "[a|b] (c:1.2) <lora:d:1>"),
    ],
)
def test_what_is_only_text(text: str, found: str) -> None:
    assert draw(text, 1, lookup) == found and every(text) == [found] and not varies(text)


def test_a_brace_without_partner_leaves_the_others_alone() -> None:
    assert every("{x|{a|b} }") == ["x", "a ", "b "]
    assert every("{x|{a|b}") == ["{x|a", "{x|b"]
    assert every("{a|b}}") == ["a}", "b}"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [("{a|b}", True), ("{a|a}", False), ("{a}", False), ("{{a|b}}", True), ("{0-1$$a}", True), ("__x__", True)],
)
def test_whether_a_text_varies(text: str, answer: bool) -> None:
    assert varies(text) is answer


@pytest.mark.parametrize("text", ["${a}", "${a=b} c", "x ${ season = {a|b} }", "${a?=b}", "{x|${a:b}}"])
def test_variables_are_refused_by_name(text: str) -> None:
    with pytest.raises(Unsupported, match=r"prompt variable '\$\{(a|season)\}'.*not supported"):
        every(text)
    with pytest.raises(Unsupported):
        draw(text, 1, lookup)


def test_a_price_is_no_variable() -> None:
    assert every("${5|10} \\${a}") == ["$5 $a", "$10 $a"]


def test_unknown_wildcards_are_refused() -> None:
    with pytest.raises(UnknownName, match="nearest 'flavour'"):
        draw("__flavor__", 1, lookup)


def test_weights_are_the_odds() -> None:
    counts = Counter(draw("{3::a|b|0::c}", seed, lookup) for seed in range(4000))
    assert set(counts) == {"a", "b"} and 2850 < counts["a"] < 3150
    counts = Counter(draw("{2$$98::a|b|c}", seed, lookup)[0] for seed in range(1000))
    assert counts["a"] > 950
    counts = Counter(draw("__flavour__", seed, lookup) for seed in range(1000))
    assert counts["mint"] > counts["vanilla"] > 100
    counts = Counter(draw("{1-3$$a|b|c}", seed, lookup).count(",") for seed in range(900))
    assert min(counts[0], counts[1], counts[2]) > 200


def test_a_seed_draws_the_same_everywhere() -> None:
    text = "{a|b|c|d} {2$$x|y|z} __flavour__"
    assert [draw(text, seed, lookup) for seed in range(3)] == [draw(text, seed, lookup) for seed in range(3)]
    assert draw(text, 7, lookup) == "a z, y dark chocolate"  # written down: other machines and versions draw this too
    assert len({draw(text, seed, lookup) for seed in range(50)}) > 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("__laugh0__", "picks in an outcome"),
        ("{|__laugh0__}{|__laugh1__}" + "__laugh2__", "picks in an outcome"),
        ("__chain0__", "nested at most"),
        ("__circle__", "nested at most"),
        ("__long__" * 50, "characters read"),
        ("{2$$__many__} " * 40, "weighed"),
        ("x" * (LONGEST + 1), "characters"),
        ("{9999$$__many__}", "characters"),
        (" ".join(f"__n{i}__" for i in range(MOST_NAMES + 1)), "different wildcards"),
        ("{a|" * (DEEPEST + 1) + "}" * (DEEPEST + 1), f"braces nested at most {DEEPEST} deep; character 1"),
    ],
)
def test_what_grows_too_large_is_refused(text: str, said: str) -> None:
    def draws() -> None:
        for seed in range(30):
            draw(text, seed, lookup)

    with pytest.raises(BadValue, match=said):
        draws()
    if said != "weighed":  # in order, nothing is weighed
        with pytest.raises(BadValue, match=said):
            list(itertools.islice(outcomes(text, lookup), 300))


def test_the_deepest_text_works() -> None:
    text = "{a|" * DEEPEST + "b" + "}" * DEEPEST
    assert every(text) == ["a"] * DEEPEST + ["b"]
    assert draw(text, 1, lookup) in ("a", "b")


@pytest.mark.parametrize(
    "unit",
    [
        "{",
        "}",
        "{}",
        "{a|",
        "|}",
        "{a|b}",
        "{2$$",
        "{2$$a|b|c}",
        "$",
        "${",
        "${a",
        "_",
        "__a",
        "__",
        "\\",
        "1::",
        "{1::",
        "{ ",
        "{9 ",
    ],
)
def test_long_hostile_texts_take_no_time(unit: str) -> None:
    text = unit * (20_000 // len(unit))
    started = time.process_time()
    with suppress(RequestError):
        draw(text, 1, lookup)
    with suppress(RequestError):
        list(itertools.islice(outcomes(text, lookup), 3))
    with suppress(RequestError):
        varies(text)
    assert time.process_time() - started < 5.0


def test_outcomes_are_lazy() -> None:
    found = outcomes("{a|b|c}" * 1000, lookup)
    assert next(found) == "a" * 1000 and next(found) == "a" * 999 + "b"
    assert next(outcomes("{500$$__many__}", lookup)).startswith("e0, e1, e2")


PLAIN = st.text(st.sampled_from("ab ,("), max_size=4)
CHOICES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda options: "{" + "|".join(options) + "}"),
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.lists(inner, min_size=1, max_size=3)).map(
            lambda t: f"{{{t[0]}-{t[1]}$$;$${'|'.join(t[2])}}}"
        ),
        st.tuples(inner, inner).map("".join),
        st.just("__two__"),
    ),
    max_leaves=6,
)
MARKS = [*"{}|$_:\\ab12- ,", "$$", "::", "__", "{2$$", "__two__"]
ANYTHING = st.lists(st.sampled_from(MARKS), max_size=30).map("".join)


@given(CHOICES, st.integers())
@example("{2$$a|b|c}", 0)
@example("{2$$ and $${a}|b}", 0)
def test_a_draw_is_one_of_the_outcomes(text: str, seed: int) -> None:
    found = list(itertools.islice(outcomes(text, lookup), 5000))
    drawn = draw(text, seed, lookup)
    assert drawn == draw(text, seed, lookup)
    assert len(found) == 5000 or drawn in found


@given(st.lists(st.lists(st.text("abc", min_size=1), min_size=1, max_size=3, unique=True), max_size=4))
def test_the_count_is_the_product(lists: list[list[str]]) -> None:
    text = " ".join("{" + "|".join(options) + "}" for options in lists)
    assert every(text) == [" ".join(words) for words in itertools.product(*lists)]


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5, unique=True), st.integers(1, 5))
def test_several_are_every_order_without_repeats(options: list[str], count: int) -> None:
    found = every(f"{{{count}$$-$${'|'.join(options)}}}")
    assert found == ["-".join(words) for words in itertools.permutations(options, min(count, len(options)))]


@given(ANYTHING, st.integers(0, 5))
def test_any_text_is_expanded_or_refused(text: str, seed: int) -> None:
    try:
        drawn = draw(text, seed, lookup)
        found = list(itertools.islice(outcomes(text, lookup), 3000))
    except RequestError:
        return
    assert len(found) == 3000 or drawn in found
    assert varies(text) or len(found) == 1


@given(st.text(max_size=200))
def test_text_without_marks_is_kept(text: str) -> None:
    if not set(text) & set("\\{}") and "__" not in text:
        assert "".join(map(str, parts_of(text))) == text


def test_options_alike_are_one_and_weigh_their_sum() -> None:
    assert pool_of([Option("a"), Option("b", 2), Option("a", 3)]).options == (Option("a", 4), Option("b", 2))
