"""Wildcards: names, files, bounds, and lists that name each other."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.errors import BadValue, UnknownName
from easel.prompt.choices import Option
from easel.prompt.textfiles import LARGEST
from easel.prompt.wildcards import Wildcards, matches
from easel.prompt.yamllists import read_lists

FILES = {
    "season.txt": "# seasons\nspring\n\n 3::summer \r\nspring\n\\#1 winter\n",
    "animals/cats.txt": "tabby\nsiamese\n",
    "animals/wild/big.txt": "lion\n",
    "동물.txt": "여우\n",
    ".hidden.txt": "no\n",
    "more.yaml": """
colour: [red, 2::blue, ~, 1980]
animals:
  dogs:
    - pug
    - {text: husky, weight: 2}
    - |
      a long
      entry
  cats: [not this]
single: one
""",
    "list.yml": "- a\n- b\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    return tmp_path


def texts(wildcards: Wildcards, name: str) -> list[str]:
    return [option.text for option in wildcards.lookup(name).options]


def test_lines_of_a_text_file(folder: Path) -> None:
    assert Wildcards(folder).lookup("season").options == (
        Option("spring", 2.0),
        Option("summer", 3.0),
        Option("\\#1 winter"),
    )


def test_names(folder: Path) -> None:
    found = Wildcards(folder)
    assert found.names == (
        "animals/cats", "animals/dogs", "animals/wild/big", "colour", "list", "season", "single", "동물",
    )  # fmt: skip
    assert texts(found, " Animals/CATS ") == ["tabby", "siamese"]
    assert texts(found, unicodedata.normalize("NFD", "동물")) == ["여우"]


def test_yaml(folder: Path) -> None:
    found = Wildcards(folder)
    assert found.lookup("colour").options == (Option("red"), Option("blue", 2.0), Option("1980"))
    assert found.lookup("animals/dogs").options == (Option("pug"), Option("husky", 2.0), Option("a long\nentry"))
    assert (texts(found, "single"), texts(found, "list")) == (["one"], ["a", "b"])


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("animals/*", ["tabby", "siamese", "pug", "husky", "a long\nentry"]),
        ("animals/**", ["tabby", "siamese", "pug", "husky", "a long\nentry", "lion"]),
        ("**/big", ["lion"]),
        ("*/c*", ["tabby", "siamese"]),
        ("s*n", ["spring", "summer", "\\#1 winter"]),
    ],
)
def test_stars(folder: Path, name: str, entries: list[str]) -> None:
    assert texts(Wildcards(folder), name) == entries


def test_unknown_names(folder: Path) -> None:
    found = Wildcards(folder)
    with pytest.raises(UnknownName, match="wildcard 'animls/cats' is not known; nearest 'animals/cats'"):
        found.lookup("animls/cats")
    for name in ("nothing*", ".hidden", "animals", "animals/wild"):
        with pytest.raises(UnknownName):
            found.lookup(name)
    for nowhere in (None, folder / "none"):
        with pytest.raises(UnknownName, match="lists all 0"):
            Wildcards(nowhere).lookup("season")


def test_only_files_that_are_needed_are_read(folder: Path) -> None:
    (folder / "broken.yaml").write_text("a: [")
    (folder / "huge.txt").write_bytes(b"x" * (LARGEST + 1))
    found = Wildcards(folder)
    assert texts(found, "animals/cats") == ["tabby", "siamese"]
    with pytest.raises(BadValue, match=r"broken\.yaml line 2 is .*allowed is YAML"):
        found.lookup("colour")
    with pytest.raises(BadValue, match=rf"huge\.txt.*at most {LARGEST} bytes"):
        found.lookup("huge")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "animals/../../secret", ".."])
def test_nothing_outside_the_folder_is_reached(folder: Path, name: str) -> None:
    inside = folder / "animals"
    (folder / "secret.txt").write_text("no\n")
    with pytest.raises(BadValue, match="allowed is a name inside the wildcards folder"):
        Wildcards(inside).lookup(name)


def test_links_out_of_the_folder_are_not_followed(folder: Path) -> None:
    inside = folder / "animals"
    (inside / "link.txt").symlink_to(folder / "season.txt")
    (inside / "folder").symlink_to(folder)
    (inside / "alias.txt").symlink_to(inside / "cats.txt")
    assert Wildcards(inside).names == ("alias", "cats", "wild/big")


@pytest.mark.parametrize(
    ("files", "circle"),
    [
        ({"a": "__a__"}, "a -> a"),
        ({"a": "x\n{y|__b__}", "b": "__c__", "c": "z\n2::__a__"}, "a -> b -> c -> a"),
        ({"a": "__d/*__", "d/b": "__a__"}, "a -> d/b -> a"),
        ({"a": "__b__", "b": "__c__", "c": "__B__"}, "b -> c -> b"),
    ],
)
def test_circles_are_named(tmp_path: Path, files: dict[str, str], circle: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.txt").write_text(text)
    found = Wildcards(tmp_path)
    for _ in range(2):
        with pytest.raises(BadValue) as caught:
            found.lookup("a")
        assert str(caught.value).endswith(f"in a circle; {circle}.")


def test_two_ways_to_one_list_are_no_circle(tmp_path: Path) -> None:
    for name, text in {"a": "__b__ __c__ __gone__", "b": "__c__", "c": "x"}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    assert texts(Wildcards(tmp_path), "a") == ["__b__ __c__ __gone__"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x [b]\nc: *x\n", "x.yaml line 2 is '*x', allowed is YAML without aliases"),
        ("a: [" * 20 + "]" * 20, "x.yaml line 1 is 'nested deeper', allowed is nesting at most 16 deep"),
        ("[" * 100_000, "nesting at most 16 deep"),
        ("a: [[b]]", "an entry of x.yaml is "),
        ("? [a]\n: b", "a key in x.yaml is "),
        ("a: [b", "x.yaml line 2 is "),
        ("a: [{text: b, weight: heavy}]", "an entry of x.yaml is "),
        ("a: [{weight: 2}]", "an entry of x.yaml is "),
        ("\x00", "YAML"),
    ],
)
def test_yaml_that_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadValue) as caught:
        list(read_lists(text, "x.yaml", alone="x"))
    assert said in str(caught.value) and caught.value.message.isprintable()


@given(st.text(st.sampled_from(list("ab:-[]{}|>&*!#'\"?, \n\t~1\\%@`"))))
def test_any_text_is_yaml_or_refused(text: str) -> None:
    try:
        found = list(read_lists(text, "x.yaml", alone="x"))
    except BadValue:
        return
    assert all(isinstance(entry, str) for _, entries in found for entry in entries)


def test_empty_lists_and_bad_encoding(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n0::off\n")
    (tmp_path / "korean.txt").write_bytes("첫째\n둘째".encode("cp949"))
    with pytest.raises(BadValue, match=r"wildcard is 'empty', allowed is a list with entries"):
        Wildcards(tmp_path).lookup("empty")
    (tmp_path / "eleven.txt").write_text("a\n")
    assert texts(Wildcards(tmp_path), "e*") == ["a"]
    with pytest.raises(BadValue, match=r"korean\.txt line \d is b'.*', allowed is text in UTF-8"):
        Wildcards(tmp_path).lookup("korean")


@given(
    st.lists(st.sampled_from(["a", "b", "ab"]), max_size=6),
    st.lists(st.sampled_from(["a", "b", "**", "*"]), max_size=5),
)
def test_stars_match_as_their_meaning_says(name: list[str], pattern: list[str]) -> None:
    def slowly(name: list[str], pattern: list[str]) -> bool:
        if not pattern or not name:
            return not pattern and not name
        first, *rest = pattern
        if first == "**":
            return slowly(name[1:], rest) or slowly(name[1:], pattern)
        return first in ("*", name[0]) and slowly(name[1:], rest)

    assert matches(name, pattern) == slowly(name, pattern)
