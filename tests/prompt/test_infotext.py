"""Infotext: texts as AUTOMATIC1111 writes them, its rules for reading, and the round trip of any request."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from easel.core.errors import BadValue
from easel.prompt.infotext import Infotext, read, split_size, write

FIELDS: dict[str, str | int | float] = {
    "Steps": 20,
    "Sampler": "Euler a",
    "Schedule type": "Automatic",
    "CFG scale": 7.0,
    "Seed": 1,
    "Size": "512x512",
}
LINE = "Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.0, Seed: 1, Size: 512x512"


def test_it_is_written_as_a1111_writes_it() -> None:
    assert write("a fox", "ugly", FIELDS) == f"a fox\nNegative prompt: ugly\n{LINE}"
    assert write("a fox\nin snow", "", FIELDS) == f"a fox\nin snow\n{LINE}"
    assert write("", "", FIELDS) == LINE
    assert write("", "ugly", FIELDS) == f"Negative prompt: ugly\n{LINE}"
    assert write("a fox", "", {}) == "a fox"


def test_fields_stand_in_the_order_of_a1111_with_unknown_ones_after_and_version_last() -> None:
    shuffled = {
        "Version": "v1",
        "Lora hashes": "x: 1",
        "Mask blur": 4,
        "Seed": 5,
        "Steps": 3,
        "User": "u",
        "Model": "m",
    }
    assert write("", "", shuffled) == (
        'Steps: 3, Seed: 5, Model: m, Lora hashes: "x: 1", Mask blur: 4, Version: v1, User: u'
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain name", "plain name"),
        ("a,b", '"a,b"'),
        ("a:b", '"a:b"'),
        ("a\nb", '"a\\nb"'),
        ('say "hi", all', '"say \\"hi\\", all"'),
        ('half "quoted', 'half "quoted'),
        ('"whole"', '"\\"whole\\""'),
        ("붉은 여우", "붉은 여우"),
        ("여우, 눈", '"여우, 눈"'),
        ("", '""'),
        (" outer ", '" outer "'),
        ("back\\slash", "back\\slash"),
        ("lone\udc80", '"lone\\udc80"'),
    ],
)
def test_values_are_quoted_where_they_would_mislead(value: str, written: str) -> None:
    text = write("p", "", {"Steps": 1, "Seed": 2, "Model": value})
    assert text == f"p\nSteps: 1, Seed: 2, Model: {written}"
    assert read(text).fields["Model"] == value


def test_a_text_from_the_wild() -> None:
    text = (
        "(best quality), (1boy:1.3), (full body shot:1.5)\n"
        "Negative prompt: ((bad anatomy)), (ugly)\n"
        "Steps: 20, Sampler: DPM++ SDE Karras, CFG scale: 7, Seed: 3120790884, Size: 512x512, "
        "Model hash: 7f96a1a9ca, Model: AnythingV5V3_v5PrtRE"
    )
    found = read(text)
    assert found == Infotext(
        "(best quality), (1boy:1.3), (full body shot:1.5)",
        "((bad anatomy)), (ugly)",
        {
            "Steps": "20",
            "Sampler": "DPM++ SDE Karras",
            "CFG scale": "7",
            "Seed": "3120790884",
            "Size": "512x512",
            "Model hash": "7f96a1a9ca",
            "Model": "AnythingV5V3_v5PrtRE",
        },
    )
    assert found.size == (512, 512)


def test_prompts_of_many_lines() -> None:
    found = read(f"\n  one \r\n\ntwo\nNegative prompt:  three \n four\n{LINE}\n\n")
    assert (found.prompt, found.negative) == ("one\n\ntwo", "three\nfour")
    assert len(found.fields) == 6


def test_a_last_line_of_fewer_than_three_fields_is_prompt() -> None:
    assert read("a fox\nSteps: 1, Seed: 2") == Infotext("a fox\nSteps: 1, Seed: 2")
    assert read("a fox\nSteps: 1, Seed: 2, Size: 8x8").prompt == "a fox"
    assert read("") == Infotext("")


def test_a_quoted_value_with_colons_and_commas_inside() -> None:
    text = 'p\nSteps: 2, ControlNet 0: "Module: canny, Model: c [1]", Hires prompt: "a \\"b\\"\\nc", TI hashes: "x'
    assert read(text).fields == {
        "Steps": "2",
        "ControlNet 0": "Module: canny, Model: c [1]",
        "Hires prompt": 'a "b"\nc',
        "TI hashes": '"x',
    }


def test_a_prompt_with_a_negative_line_in_it_reads_back_whole() -> None:
    prompt = f"a sign that says\n Negative prompt: none\n{LINE}"
    text = write(prompt, "Negative prompt: x", FIELDS)
    assert (read(text).prompt, read(text).negative) == (prompt, "Negative prompt: x")
    assert list(read(text).fields) == list(FIELDS)


@pytest.mark.parametrize("name", ["", "a", "a,b", "a:b", "(a)", "-ab", "a\nb"])
def test_a_field_name_that_no_reader_would_find_is_refused(name: str) -> None:
    with pytest.raises(BadValue, match="infotext field"):
        write("p", "", {name: 1})


def test_sizes_are_split() -> None:
    assert split_size("512x768") == (512, 768)
    assert [split_size(text) for text in ("", "512", "x", "5x", "axb", "1x1x1", "9" * 5000 + "x1")] == [None] * 7


LETTERS = st.one_of(
    st.characters(codec="utf-8"), st.sampled_from(list(',:"\\\n\r\t {}x1')), st.sampled_from("여우빨간")
)
TEXTS = st.text(LETTERS, max_size=60)
NAMES = st.from_regex(re.compile(r"[A-Za-z가-힣][\w \-/]{1,12}"), fullmatch=True)
ANY_FIELDS = st.dictionaries(NAMES, TEXTS, min_size=3, max_size=6)


def stripped(text: str) -> str:
    """What the format keeps of a prompt: its lines without the space around them."""
    return "\n".join(line.strip() for line in text.split("\n")).strip()


@given(TEXTS.map(stripped), TEXTS.map(stripped), ANY_FIELDS)
@example("Negative prompt:", "", {"aa": "", "bb": '"', "cc": "\\"})
@example("a: 1, bb: 2, cc: 3, dd: 4", "bb: 2, cc: 3, dd: 4", {"aa": "1x2", "bb": '"a"b', "cc": '\\"'})
def test_what_was_written_is_read(prompt: str, negative: str, fields: dict[str, str]) -> None:
    found = read(write(prompt, negative, fields))
    assert (found.prompt, found.negative, found.fields) == (prompt, negative, fields)


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    read(text)


@pytest.mark.parametrize(
    "unit", ["ab ", "ab: ", 'ab: "', 'ab:"\\', "ab:1,", " ", "a-", "ab:,", '"', "\\", "\n", "a:", "aa :"]
)
def test_long_hostile_texts_are_read_in_linear_time(unit: str) -> None:
    started = time.process_time()
    read(unit * (500_000 // len(unit)))
    assert time.process_time() - started < 3.0
