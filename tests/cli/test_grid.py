"""`easel grid` and `easel matrix` with a scripted client: what is asked, what is written, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from easel.prompt import infotext
from tests.cli.conftest import Easel
from tests.cli.scripted import ScriptedClient


def test_a_sheet(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("grid", "a fox", "--x", "Steps=2,3", "--y", "CFG Scale=1-3", "--seed", "4", "--out", "sheet.png")
    assert (ending.code, ending.lines) == (0, ["sheet.png"])
    asked = [(request.steps, request.guidance.scale, request.seed) for request in client.requests]
    assert sorted(asked) == sorted((steps, scale, 4) for scale in (1.0, 2.0, 3.0) for steps in (2, 3))
    with Image.open("sheet.png") as sheet:
        assert sheet.width > 2 * 64
        assert sheet.height > 3 * 64
        said = infotext.read(sheet.info["parameters"])
    assert said.fields["Script"] == "X/Y/Z plot"
    assert (said.fields["X Type"], said.fields["X Values"]) == ("Steps", "2, 3")


def test_sheets_one_for_each_z(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("grid", "a fox", "--x", "Steps=2,3", "--z", "Seed=1-3", "--out", "s.png", "--json")
    assert [Path(json.loads(line)["path"]).name for line in ending.lines] == ["s-1.png", "s-2.png", "s-3.png"]
    assert json.loads(ending.lines[0])["cells"] == 6


def test_a_film(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("grid", "a fox", "--x", "Seed=1-4", "--animate", "webp", "--out", "film.webp")
    assert (ending.code, ending.lines) == (0, ["film.webp"])
    with Image.open("film.webp") as film:
        assert film.format == "WEBP"
    ending = easel("grid", "a fox", "--x", "Seed=1-4", "--animate", "gif")
    assert ending.lines[0].endswith(".gif")


def test_cells_are_kept_when_asked(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("grid", "a fox", "--x", "Seed=1-3", "--cells", "cells", "--out", "s.png")
    assert len(ending.lines) == 4
    assert len(list(Path("cells").iterdir())) == 3


def test_matrix(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("matrix", "a fox|red|big", "--seed", "1", "--out", "m.png")
    assert ending.code == 0
    assert {r.prompt for r in client.requests} == {"a fox", "a fox, red", "a fox, big", "a fox, red, big"}
    assert {r.seed for r in client.requests} == {1}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["grid", "a fox"], "--x is None, allowed is an axis"),
        (["grid", "a fox", "--x", "Stps=1"], "nearest 'Steps'"),
        (["grid", "a fox", "--x", "Sampler=Euler,Oiler"], "sampler 'Oiler' is not known"),
        (["grid", "a fox", "--x", "Seed=1-200", "--y", "Steps=1-200"], "at most 1024 cells"),
        (["grid", "a fox", "--x", "Seed=1-2", "--y", "Steps=1-2", "--animate", "gif"], "give one axis alone"),
        (["grid", "a fox", "--x", "Seed=1-2", "--animate", "avi"], "--animate 'avi' is not known"),
        (["grid", "a fox", "--x", "Seed=1-2", "--batch-size", "2"], "--batch-size"),
        (["grid", "a fox", "--x", "Denoising=0.1,0.2"], "used for a request with start"),
        (["matrix", "a fox"], "parts joined by |"),
    ],
)
def test_bad_grids_are_refused_before_anything_is_drawn(
    easel: Easel, client: ScriptedClient, arguments: list[str], words: str
) -> None:
    ending = easel(*arguments, "--out", "never.png")
    assert ending.code == 2
    assert words in ending.err
    assert client.requests == []
    assert not Path("never.png").exists()


def test_a_cell_that_fails_leaves_no_half_sheet(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("grid", "a fox", "--x", "Prompt=a fox,a fail", "--out", "never.png")
    assert ending.code == 1
    assert not Path("never.png").exists()
