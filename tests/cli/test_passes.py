"""Options of the second pass and of `easel upscale`: each reaches its field, and trouble is one clear line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from easel.core.passes import Hires
from easel.core.pictures import Tiles
from easel.media.metadata import read_picture_file
from easel.prompt import infotext
from tests.cli.conftest import Easel
from tests.cli.scripted import ScriptedClient
from tests.tiny import tiny_folder as tiny_folder


@pytest.fixture
def photo(home: Path) -> str:
    Image.linear_gradient("L").resize((48, 40)).convert("RGB").save(home / "photo.png")
    return "photo.png"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--hires", "1.5"], Hires(scale=1.5)),
        (["--hires-size", "512x768"], Hires(width=512, height=768)),
        (["--hires-size", "512x0"], Hires(width=512)),
        (["--hires-size", "0x512"], Hires(height=512)),
        (["--hires", "2", "--hires-steps", "8"], Hires(steps=8)),
        (["--hires", "2", "--hires-strength", "0.4"], Hires(strength=0.4)),
        (["--hires", "2", "--hires-upscaler", "lanczos"], Hires(upscaler="lanczos")),
        (["--hires", "2", "--hires-sampler", "Heun"], Hires(sampler="Heun")),
        (["--hires", "2", "--hires-schedule", "Karras"], Hires(schedule="Karras")),
        (["--hires", "2", "--hires-cfg", "5"], Hires(cfg_scale=5)),
        (["--hires", "2", "--hires-prompt", "a wolf"], Hires(prompt="a wolf")),
        (["--hires", "2", "--hires-negative", "fog"], Hires(negative_prompt="fog")),
    ],
)
def test_an_option_reaches_the_second_pass(
    easel: Easel, client: ScriptedClient, arguments: list[str], expected: Hires
) -> None:
    assert easel("txt2img", "a red fox", *arguments).code == 0
    assert client.requests[0].hires == expected


def test_without_these_options_there_is_no_second_pass(easel: Easel, client: ScriptedClient) -> None:
    easel("txt2img", "a fox")
    assert client.requests[0].hires is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--hires", "9"], "--hires is 9.0, allowed is at most 8."),
        (["--hires-steps", "5"], "--hires-steps is 5, allowed is given together with --hires or --hires-size."),
        (["--hires-negative", "fog"], "--hires-negative is 'fog', allowed is given together with"),
        (["--hires", "2", "--hires-size", "64x64"], "--hires-size is '64x64', allowed is given without --hires."),
        (["--hires-size", "0"], "allowed is at least one side above 0."),
        (["--hires-size", "100x100"], "--hires-size width is 100, allowed is a multiple of 8; nearest are 96 and 104."),
        (["--hires-size", "big"], "--hires-size is 'big', allowed is WIDTHxHEIGHT in pixels"),
        (["--hires", "2", "--hires-strength", "2"], "--hires-strength is 2.0, allowed is at most 1."),
        (["--hires", "2", "--hires-upscaler", "Lanzos"], "upscaler 'Lanzos' is not known; nearest 'Lanczos'"),
        (["--hires", "2", "--hires-sampler", "Eulr"], "nearest 'Euler'"),
        (["--hires", "2", "--hires-schedule", "Karas"], "nearest 'Karras'"),
    ],
)
def test_trouble_is_one_line(easel: Easel, client: ScriptedClient, arguments: list[str], words: str) -> None:
    ending = easel("txt2img", "a red fox", *arguments)
    assert ending.code == 2
    assert words in ending.err
    assert ending.err.count("\n") == 1
    assert not client.requests


def test_upscale_asks_for_tiles(easel: Easel, client: ScriptedClient, photo: str) -> None:
    asked = ("--scale", "3", "--upscaler", "Nearest", "--overlap", "32", "--strength", "0.2", "--size", "64")
    assert easel("upscale", photo, "a grey slope", *asked).code == 0
    (request,) = client.requests
    assert request.tiles == Tiles(scale=3, upscaler="Nearest", overlap=32)
    assert request.start is not None
    assert (request.start.strength, request.start.image) == (0.2, Path(photo).read_bytes())
    assert (request.recipe, request.prompt, request.width) == ("tiled_upscale", "a grey slope", 64)


def test_upscale_needs_no_words(easel: Easel, client: ScriptedClient, photo: str) -> None:
    assert easel("upscale", photo).code == 0
    (request,) = client.requests
    assert (request.prompt, request.tiles) == ("", Tiles())
    assert request.start is not None
    assert request.start.strength == 0.3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scale", "20"], "--scale is 20.0, allowed is at most 8."),
        (["--overlap", "9"], "--overlap is 9, allowed is a multiple of 8"),
        (["--upscaler", "Latent"], "upscaler 'Latent' enlarges latents, tiled upscaling needs one of pictures"),
        (["--strength", "2"], "--strength is 2.0, allowed is at most 1."),
    ],
)
def test_upscale_s_trouble_is_one_line(
    easel: Easel, client: ScriptedClient, photo: str, arguments: list[str], words: str
) -> None:
    ending = easel("upscale", photo, *arguments)
    assert ending.code == 2
    assert words in ending.err
    assert not client.requests


def test_no_picture_to_upscale(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("upscale", "nowhere.png")
    assert ending.code == 2
    assert "FILE is 'nowhere.png', allowed is a file that can be read" in ending.err


def test_upscalers_are_listed(easel: Easel) -> None:
    lines = easel("models", "upscalers").lines
    assert lines[0].split() == ["name", "works", "on", "where"]  # of those that are files
    assert [line.rsplit(maxsplit=1) for line in lines[1:3]] == [
        ["Latent", "latents"],
        ["Latent (antialiased)", "latents"],
    ]
    rows = [json.loads(line) for line in easel("models", "upscalers", "--json").lines]
    assert {row["works_on"] for row in rows} == {"latents", "pixels"}
    assert "Lanczos" in {row["name"] for row in rows}


def test_listing_upscalers_loads_no_torch() -> None:
    code = "import sys, easel.post.upscalers; sys.exit('torch' in sys.modules or 'PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_both_commands_before_the_real_engine(easel: Easel, tiny_folder: Path, photo: str) -> None:
    asked = ("--model", str(tiny_folder), "--steps", "2", "--size", "64", "--seed", "3")
    drawn = easel("txt2img", "a fox", *asked, "--hires", "2", "--tiled-decode", "64", "--seamless", "x")
    grown = easel("upscale", photo, *asked, "--overlap", "16")
    found = [read_picture_file(Path(ending.lines[0])) for ending in (drawn, grown)]
    assert [(file.width, file.height) for file in found] == [(128, 128), (96, 80)]
    fields = [infotext.read(file.infotext or "").fields for file in found]
    assert (fields[0]["Hires upscale"], fields[0]["Tiling"]) == ("2.0", "x")
    assert fields[1]["SD upscale scale"] == "2.0"
