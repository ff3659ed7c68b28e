"""Styles: A1111's file read and written, and its rules for joining."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.errors import BadValue, StorageError, UnknownName
from easel.prompt.styles import LONGEST, Style, apply_styles, read_styles, styled, write_styles
from easel.prompt.textfiles import LARGEST

FILE = (
    "\ufeffname,prompt,negative_prompt\r\n"
    'ink,"ink drawing of {prompt}, fine lines",photo\r\n'
    '두 줄,"첫 줄\n""둘째"" 줄",\r\n'
    "short,snow\r\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "styles.csv"


def test_a_file_of_a1111(path: Path) -> None:
    path.write_text(FILE, encoding="utf-8", newline="")
    assert list(read_styles(path).values()) == [
        Style("ink", "ink drawing of {prompt}, fine lines", "photo"),
        Style("두 줄", '첫 줄\n"둘째" 줄', ""),
        Style("short", "snow", ""),
    ]


def test_the_old_column_and_the_later_of_two(path: Path) -> None:
    path.write_text("name, text\nink, one\nink, two\n", encoding="utf-8")
    assert read_styles(path) == {"ink": Style("ink", "two")}
    path.write_text("", encoding="utf-8")
    assert read_styles(path) == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"title,prompt\na,b\n", "line 1 is 'title,prompt', allowed is the headings name,prompt,negative_prompt."),
        (b"name,prompt,negative_prompt\na,b,c\nd,e,f,g\n", "line 3 is 'd', allowed is 3 columns"),
        (b"name,prompt,negative_prompt\n,b,c\n", "line 2 is '', allowed is a style with a name and a prompt."),
        (b"name,prompt,negative_prompt\na\n", "line 2 is 'a', allowed is a style with a name and a prompt."),
        (b'name,prompt,negative_prompt\na,"b\n', "line 2 is 'unexpected end of data'"),
        (b"name,prompt\na,\xff\n", "line 2 is b'\\xff', allowed is text in UTF-8."),
    ],
)
def test_a_malformed_file_is_named_with_its_line(path: Path, content: bytes, said: str) -> None:
    path.write_bytes(content)
    with pytest.raises(BadValue) as caught:
        read_styles(path)
    assert str(caught.value).startswith(f"styles file {path} {said}")


def test_files_that_cannot_be_read(path: Path) -> None:
    with pytest.raises(BadValue, match="is 'No such file or directory', allowed is a file that can be read"):
        read_styles(path)
    path.write_bytes(b"x" * (LARGEST + 1))
    with pytest.raises(BadValue, match=f"at most {LARGEST} bytes"):
        read_styles(path)


def test_styles_are_joined_as_a1111_joins_them() -> None:
    styles = {one.name: one for one in (Style("a", "ink of {prompt}", "photo"), Style("b", " snow "), Style("c"))}
    assert apply_styles("fox", "", ["a", "b", "c"], styles) == ("ink of fox, snow", "photo")
    assert apply_styles("fox", "blur", ["b", "a"], styles) == ("ink of fox, snow", "blur, photo")
    assert apply_styles(" fox ", "", [], styles) == (" fox ", "")
    assert apply_styles("", "", ["b"], styles) == ("snow", "")


def test_an_unknown_style_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="style 'inc' is not known; nearest 'ink'"):
        apply_styles("fox", "", ["inc"], {"ink": Style("ink")})


def test_a_placeholder_cannot_grow_without_end() -> None:
    doubling = Style("twice", "{prompt}{prompt}")
    with pytest.raises(BadValue, match=f"at most {LONGEST} characters with style 'twice'"):
        styled("fox", "", [doubling] * 100)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@given(st.dictionaries(TEXTS.filter(bool), st.tuples(TEXTS, TEXTS), max_size=4))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, found: dict[str, tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("styles") / "styles.csv"
    styles = {name: Style(name, *texts) for name, texts in found.items()}
    write_styles(path, styles.values())
    assert read_styles(path) == styles
    assert [file.name for file in path.parent.iterdir()] == ["styles.csv"]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="style name"):
        write_styles(tmp_path / "styles.csv", [Style("")])
    with pytest.raises(BadValue, match="valid Unicode"):
        write_styles(tmp_path / "styles.csv", [Style("a", "\udc80")])
    with pytest.raises(StorageError, match="cannot be written"):
        write_styles(tmp_path / "none" / "styles.csv", [Style("a")])
    assert list(tmp_path.iterdir()) == []
