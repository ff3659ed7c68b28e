"""`easel txt2img --motion`: a clip's frames are kept as pictures, and its film beside them or where --out says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from easel.core.motion import Motion
from tests.cli.conftest import Easel
from tests.cli.scripted import ScriptedClient

CLIP = ("txt2img", "a fox", "--motion", "mm", "--seed", "7", "--size", "16")


@pytest.mark.parametrize(
    ("arguments", "motion", "frames"),
    [
        ([], Motion(model="mm"), 16),
        (["--frames", "4"], Motion(model="mm"), 4),
        (["--batch-size", "6"], Motion(model="mm"), 6),
        (["--frames", "1"], Motion(model="mm"), 1),
        (
            ["--fps", "12.5", "--format", "GIF", "--motion-strength", "0.5", "--frames", "2"],
            Motion(model="mm", fps=12.5, format="gif", strength=0.5),
            2,
        ),
    ],
)
def test_options_reach_the_clip(
    easel: Easel, client: ScriptedClient, arguments: list[str], motion: Motion, frames: int
) -> None:
    assert easel(*CLIP, *arguments).code == 0
    (request,) = client.requests
    assert (request.motion, request.batch_size) == (motion, frames)


def test_a_picture_that_is_drawn_anew_may_be_a_clip(easel: Easel, client: ScriptedClient, home: Path) -> None:
    Image.new("RGB", (16, 16)).save(home / "fox.png")
    assert easel("img2img", "fox.png", "a fox", "--motion", "mm", "--frames", "3").code == 0
    (request,) = client.requests
    assert (request.recipe, request.batch_size, request.motion) == ("image_to_image", 3, Motion(model="mm"))


def test_the_film_stands_behind_its_frames(easel: Easel, client: ScriptedClient) -> None:
    ending = easel(*CLIP, "--frames", "3", "--format", "gif", "--out", "here")
    assert ending.lines == [f"here/{name}" for name in ("00000-7.png", "00001-8.png", "00002-9.png", "00003-7.gif")]
    assert sorted(path.name for path in Path("here").iterdir()) == [Path(line).name for line in ending.lines]
    with Image.open("here/00003-7.gif") as film:
        assert (film.format, getattr(film, "n_frames", 1), film.info["duration"]) == ("GIF", 3, 120)  # of hundredths
    assert "3 pictures in " in ending.err


def test_several_clips_have_a_film_each(easel: Easel, client: ScriptedClient) -> None:
    ending = easel(*CLIP, "an owl", "--frames", "2", "--json")
    told = [json.loads(line) for line in ending.lines]
    films = [facts for facts in told if "frames" in facts]
    assert len(told) == 6
    assert [(facts["frames"], facts["fps"], Path(facts["path"]).suffix) for facts in films] == [(2, 8.0, ".webp")] * 2


def test_out_may_name_the_film(easel: Easel, client: ScriptedClient) -> None:
    ending = easel(*CLIP, "--frames", "2", "--out", "fox.webp")
    assert ending.lines[-1] == "fox.webp"
    assert all("outputs" in line for line in ending.lines[:-1])
    with Image.open("fox.webp") as film:
        assert getattr(film, "n_frames", 1) == 2


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["txt2img", "a fox", "--frames", "4"], "--frames is 4, allowed is given together with --motion."),
        (["txt2img", "a fox", "--fps", "4"], "--fps is 4.0, allowed is given together with --motion."),
        ([*CLIP, "--fps", "0"], "--fps is 0.0, allowed is at least 0.1."),
        ([*CLIP, "--motion-strength", "3"], "--motion-strength is 3.0, allowed is at most 2."),
        ([*CLIP, "--format", "avi"], "--format 'avi' is not known"),
        ([*CLIP, "--frames", "4", "--batch-size", "2"], "--frames is 4, allowed is given without --batch-size"),
        ([*CLIP, "--frames", "200"], "--batch-size is 200, allowed is at most 128."),
        ([*CLIP, "--out", "fox.mp4"], "--out is 'fox.mp4', allowed is a name that ends in .webp; or give --format mp4"),
        ([*CLIP, "an owl", "--out", "fox.webp"], "allowed is a folder for 2 clips; a file takes one film"),
        ([*CLIP, "--out", "fox.png"], "allowed is a folder for 16 pictures"),
    ],
)
def test_trouble_is_one_line(easel: Easel, client: ScriptedClient, arguments: list[str], line: str) -> None:
    ending = easel(*arguments)
    assert (ending.code, ending.out, client.requests) == (2, "", [])
    assert line in ending.err
    assert ending.err.count("\n") == 1
