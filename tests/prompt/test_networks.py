"""Tags of extra networks: how they leave the text, what their arguments mean, and which are refused."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.errors import BadValue, UnknownName, Unsupported
from easel.prompt.networks import LoraTag, NetworkTag, lora_of, split_networks


@pytest.mark.parametrize(
    ("text", "left", "tags"),
    [
        ("a fox", "a fox", []),
        ("a <lora:ink:0.8> fox", "a  fox", [("lora", "ink", ("0.8",), {})]),
        (
            "<lora:ink:1:0.5:8><hypernet:agm:1.1>, <lyco:x>",
            ", ",
            [("lora", "ink", ("1", "0.5", "8"), {}), ("hypernet", "agm", ("1.1",), {}), ("lyco", "x", (), {})],
        ),
        (
            "<lora:ink:te=1:unet=0.5:dyn=8>",
            "",
            [("lora", "ink", (), {"te": "1", "unet": "0.5", "dyn": "8"})],
        ),
        ("<lora:te=1:ink:2>", "", [("lora", "ink", ("2",), {"te": "1"})]),
        ("<lora:te=1>", "", [("lora", "", (), {"te": "1"})]),
        ("<lora:a=b=c:x=>", "", [("lora", "a=b=c", (), {"x": ""})]),
        ("<lora:my ink (v2):1>", "", [("lora", "my ink (v2)", ("1",), {})]),
        ("<lora:a>b>", "b>", [("lora", "a", (), {})]),
        ("<lora:<lora:a>", "", [("lora", "<lora", ("a",), {})]),
        ("<lora:a\nb:1>", "", [("lora", "a\nb", ("1",), {})]),
        ("<lora:잉크:1>", "", [("lora", "잉크", ("1",), {})]),
        ("<a:b:c>", "", [("a", "b", ("c",), {})]),
    ],
)
def test_tags_leave_the_text(
    text: str, left: str, tags: list[tuple[str, str, tuple[str, ...], dict[str, str]]]
) -> None:
    assert split_networks(text) == (left, tuple(NetworkTag(*tag) for tag in tags))


@pytest.mark.parametrize(
    "text", ["<lora:a", "<lora:>", "<lora>", "<:a>", "< lora:a>", "<my lora:a>", "a < b : c > d", "<3"]
)
def test_what_is_no_tag_stays(text: str) -> None:
    assert split_networks(text) == (text, ())


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("<lora:x>", (1.0, 1.0, None)),
        ("<lora:x:0.8>", (0.8, 0.8, None)),
        ("<lora:x:0.8:0.5>", (0.8, 0.5, None)),
        ("<lora:x:0.8:0.5:16>", (0.8, 0.5, 16)),
        ("<lora:x:te=0.3>", (0.3, 0.3, None)),
        ("<lora:x:unet=0.3>", (1.0, 0.3, None)),
        ("<lora:x:dyn=4>", (1.0, 1.0, 4)),
        ("<lora:x:0.8:te=0.3>", (0.3, 0.3, None)),
        ("<lora:x:0.8:0.5:8:unet=0:dyn=4>", (0.8, 0.0, 4)),
        ("<lora:x: -1 >", (-1.0, -1.0, None)),
    ],
)
def test_strengths_of_a_lora(text: str, weights: tuple[float, float, int | None]) -> None:
    assert lora_of(split_networks(text)[1][0]) == LoraTag("x", *weights)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<lora:x:much>", r"te of lora 'x' is 'much', allowed is a number from -1000 to 1000\."),
        ("<lora:x:nan>", "te of lora 'x'"),
        ("<lora:x:1:inf>", "unet of lora 'x'"),
        ("<lora:x:>", "te of lora 'x' is ''"),
        ("<lora:x:unet=2000>", "unet of lora 'x'"),
        ("<lora:x:dyn=0>", "dyn of lora 'x' is '0', allowed is a whole number from 1 to 999999"),
        ("<lora:x\ny:no>", r"te of lora 'x\\ny' is 'no'"),
        ("<lora:x:dyn=1.5>", "dyn of lora 'x'"),
        ("<lora:x:1:1:8:9>", "argument of lora 'x' is '9', allowed is at most 3 without a name"),
    ],
)
def test_what_is_no_strength_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadValue, match=message):
        lora_of(split_networks(text)[1][0])


def test_an_argument_that_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(UnknownName, match="argument of lora 'x' 'step' is not known"):
        lora_of(split_networks("<lora:x:1:step=ALL>")[1][0])


def test_blocks_are_weighed_by_name_or_numbers() -> None:
    assert lora_of(split_networks("<lyco:x:0.5:lbw=1,0,0.5>")[1][0]) == LoraTag("x", 0.5, 0.5, None, "1,0,0.5")


@pytest.mark.parametrize("text", ["<hypernet:anime:1>", "<segment:sky>"])
def test_other_kinds_of_network_are_refused_by_name(text: str) -> None:
    with pytest.raises(Unsupported, match=rf"{text.rsplit(':', 1)[0].strip('<>').split(':')[0]}:"):
        lora_of(split_networks(text)[1][0])


def test_a_tag_without_a_name_is_refused() -> None:
    with pytest.raises(BadValue, match=r"name of <lora:\.\.\.>"):
        lora_of(split_networks("<lora:te=1>")[1][0])


ALPHABET = st.sampled_from([*list("<>:=ab 1\n"), "<lora:", ":0.5>", "te="])


@given(st.lists(ALPHABET, max_size=40).map("".join))
def test_a_text_is_its_tags_and_the_rest(text: str) -> None:
    left, tags = split_networks(text)
    assert len(left) <= len(text)
    assert bool(tags) == (left != text)
    for tag in tags:
        assert f"<{tag.kind}:" in text


@pytest.mark.parametrize("unit", ["<a:", "<", "<a", "a", "<a:b>", "<a:=", ":", ">", "<a:>"])
def test_long_hostile_texts_are_split_in_linear_time(unit: str) -> None:
    text = unit * (500_000 // len(unit))
    started = time.process_time()
    split_networks(text)
    split_networks(text + ">")
    assert time.process_time() - started < 2.0
