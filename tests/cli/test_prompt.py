"""`easel prompt`: tables that fit, lines that can be piped, and errors of one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len, set_cell_size

from tests.cli.conftest import Easel


@pytest.fixture
def lists(home: Path) -> Path:
    """A folder with wildcards and styles where the settings look for them."""
    (home / "wildcards").mkdir()
    (home / "wildcards" / "colour.txt").write_text("red\nblue\n")
    (home / "wildcards" / "동물.txt").write_text("여우\n", encoding="utf-8")
    (home / "styles.csv").write_text('name,prompt,negative_prompt\nink,"ink, {prompt}",photo\nsnow,snow,\n')
    return home


def test_help(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = easel("prompt")
    assert all(f"\n  {name} " in shown.out for name in ("tags", "expand", "styles", "wildcards"))
    assert "..." not in shown.out.split("Commands")[1]  # no help is cut short
    for command in ([], ["tags"], ["expand"], ["styles"], ["wildcards"]):
        ending = easel("prompt", *command, "--help")
        assert ending.code == 0 and max(map(len, ending.lines)) <= 80


def test_nothing_heavy_is_imported(lists: Path) -> None:
    program = """
import sys
from easel.cli.main import main
main(["prompt", "tags", "fox"])
main(["prompt", "expand", "__colour__"])
sys.exit(", ".join({"torch", "diffusers", "transformers", "numpy", "yaml"} & sys.modules.keys()) or 0)
"""
    found = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("words", [[], ["light"], ["빛"], ["--categories"], ["--category", "lens"]])
def test_tables_fit_and_columns_align(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, columns: int, words: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    heading, *rows = easel("prompt", "tags", *words).lines
    assert len(rows) > 10 and max(map(cell_len, rows)) <= columns
    for name in heading.split()[1:]:
        assert {set_cell_size(row, heading.index(name))[-2:] for row in rows} == {"  "}


def test_tags(easel: Easel) -> None:
    found = easel("prompt", "tags", "soft", "light")
    assert (found.code, found.err) == (0, "") and found.lines[1].split() == ["soft", "light", "부드러운", "빛", "light"]
    assert "아래에서 올려다본다" in easel("prompt", "tags", "로 앵글").out
    assert "category" not in easel("prompt", "tags", "-c", "eyes").lines[0]
    facts = [json.loads(line) for line in easel("prompt", "tags", "수채화", "--json").lines]
    assert facts == [{"tag": "watercolor", "korean": "수채화", "note": "", "korean_note": "", "category": "medium"}]
    categories = [json.loads(line) for line in easel("prompt", "tags", "--categories", "--json").lines]
    assert sum(one["tags"] for one in categories) == len(easel("prompt", "tags").lines) - 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tags", "xyzzy"], "no tag holds 'xyzzy'"),
        (["tags", "fox", "-c", "eyes"], "no tag holds 'fox' in eyes"),
        (["tags", "--category", "lenz"], "nearest 'lens'"),
        (["tags", "fox", "--categories"], "leave out the words"),
        (["expand"], "PROMPT"),
        (["expand", "__color__"], "nearest 'colour'"),
        (["expand", "a", "--style", "inc"], "nearest 'ink'"),
        (["expand", "a", "--count", "0"], "--count is 0"),
        (["expand", "a", "--all", "--seed", "1"], "--seed is 1"),
        (["expand", "a", "--wildcards", "none"], "--wildcards is 'none', allowed is a folder that exists"),
        (["expand", "a", "--styles", "none.csv", "--style", "x"], "styles file none.csv"),
        (["expand", "${x}"], "variables are not supported"),
    ],
)
def test_a_wrong_request_is_one_line(easel: Easel, lists: Path, arguments: list[str], said: str) -> None:
    ending = easel("prompt", *arguments)
    assert (ending.code, ending.out, ending.err.count("\n")) == (2, "", 1) and said in ending.err


def test_expand_draws_by_seed(easel: Easel, lists: Path) -> None:
    text = "a {small|big} __colour__ __동물__"
    drawn = easel("prompt", "expand", text, "--seed", "7", "--count", "5")
    assert drawn.err == "" and len(drawn.lines) == 5 and all(line.endswith("여우") for line in drawn.lines)
    assert easel("prompt", "expand", text, "--seed", "9").lines == drawn.lines[2:3]
    every = easel("prompt", "expand", text, "--all")
    assert every.lines == [f"a {size} {colour} 여우" for size in ("small", "big") for colour in ("red", "blue")]
    assert set(drawn.lines) <= set(every.lines)


def test_a_seed_that_was_drawn_is_told(easel: Easel) -> None:
    text = "{a|b|c|d|e|f}" * 10
    drawn = easel("prompt", "expand", text, "--count", "2")
    seed = drawn.err.removeprefix("seed ").strip()
    assert easel("prompt", "expand", text, "--seed", seed, "--count", "2").lines == drawn.lines
    (facts,) = map(json.loads, easel("prompt", "expand", text, "--json").lines)
    assert easel("prompt", "expand", text, "--seed", str(facts["seed"])).lines == [facts["prompt"]]


def test_styles_and_the_negative_prompt(easel: Easel, lists: Path) -> None:
    drawn = easel("prompt", "expand", "fox\nfar", "-n", "blur", "--style", "ink", "--style", "snow", "--all")
    assert (drawn.lines, drawn.err) == (["ink, fox far, snow"], "negative prompt: blur, photo\n")
    facts = json.loads(easel("prompt", "expand", "fox", "--seed", "1", "--style", "ink", "--json").out)
    assert facts == {"prompt": "ink, fox", "negative_prompt": "photo", "seed": 1}


def test_a_list_cut_short_says_so(easel: Easel) -> None:
    cut = easel("prompt", "expand", "{a|b}" * 20, "--all", "--count", "3")
    assert len(cut.lines) == 3 and cut.err == "there are more than 3; --count N prints more.\n"
    whole = easel("prompt", "expand", "{a|b}", "--all", "--count", "2")
    assert (whole.lines, whole.err) == (["a", "b"], "")
    assert len(easel("prompt", "expand", "{a|b}" * 20, "--all").lines) == 1000


def test_lists(easel: Easel, lists: Path) -> None:
    assert [line.split() for line in easel("prompt", "wildcards").lines] == [
        ["wildcard", "entries"],
        ["__colour__", "2"],
        ["__동물__", "1"],
    ]
    assert [json.loads(line)["name"] for line in easel("prompt", "wildcards", "--json").lines] == ["colour", "동물"]
    assert [line.split() for line in easel("prompt", "styles").lines][1] == ["ink", "ink,", "{prompt}", "photo"]
    assert json.loads(easel("prompt", "styles", "--json").lines[1]) == {
        "name": "snow",
        "prompt": "snow",
        "negative": "",
    }
    (lists / "wildcards" / "empty.txt").write_text("")
    ending = easel("prompt", "wildcards")
    assert ending.code == 2 and len(ending.lines) == 3 and "empty" in ending.err


def test_no_lists(easel: Easel, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wildcards, styles = easel("prompt", "wildcards"), easel("prompt", "styles")
    assert (wildcards.code, wildcards.out) == (0, "") and str(home / "wildcards") in wildcards.err
    assert (styles.code, styles.out) == (0, "") and str(home / "styles.csv") in styles.err
    (home / "mine").mkdir()
    (home / "mine" / "x.txt").write_text("y\n")
    monkeypatch.setenv("EASEL_WILDCARDS", str(home / "mine"))
    assert easel("prompt", "expand", "__x__", "--seed", "1").lines == ["y"]
