"""`easel img2img`, `inpaint`, `outpaint` and `sketch`: options reach their fields, and trouble is one clear line."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from tests.cli.conftest import Easel
from tests.cli.scripted import ScriptedClient
from tests.tiny import tiny_folder as tiny_folder

STROKES = [{"points": [[4, 8], [28, 8]], "colour": "red", "width": 4}]


@pytest.fixture(autouse=True)
def files(home: Path) -> None:
    Image.new("RGB", (64, 48), "white").save("fox.png")
    mask = Image.new("L", (64, 48))
    mask.paste(255, (10, 10, 30, 30))
    mask.save("mask.png")
    (home / "strokes.json").write_text(json.dumps(STROKES), encoding="utf-8")


def field_of(request: object, path: str) -> Any:
    for name in path.split("."):
        request = getattr(request, name)
    return request


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        ([], "start.strength", 0.75),
        (["--strength", "0.4"], "start.strength", 0.4),
        (["-s", "0.4"], "start.strength", 0.4),
        (["--resize", "crop"], "start.resize", "crop and resize"),
        (["--resize", "fill"], "start.resize", "resize and fill"),
        (["--resize", "Latent-Resize"], "start.resize", "latent resize"),
        (["--all-steps"], "start.all_steps", True),
        (["--noise-multiplier", "0.9"], "start.noise_multiplier", 0.9),
        (["--extra-noise", "0.1"], "start.extra_noise", 0.1),
        (["--match-colours"], "start.match_colours", True),
        (["--steps", "9"], "steps", 9),
        (["--size", "64x32"], "width", 64),
        (["--negative", "fog"], "negative_prompt", "fog"),
    ],
)
def test_options_of_a_start(
    easel: Easel, client: ScriptedClient, arguments: list[str], field: str, value: object
) -> None:
    ending = easel("img2img", "fox.png", "a fox", *arguments)
    assert ending.code == 0
    (request,) = client.requests
    assert (request.recipe, request.prompt) == ("image_to_image", "a fox")
    assert request.start is not None and request.start.image == Path("fox.png").read_bytes()
    assert field_of(request, field) == value


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        ([], "mask.fill", "original"),
        (["--fill", "noise"], "mask.fill", "latent noise"),
        (["--fill", "latent nothing"], "mask.fill", "latent nothing"),
        (["--mask-channel", "alpha"], "mask.channel", "alpha"),
        (["--invert"], "mask.invert", True),
        (["--blur", "0"], "mask.blur", 0),
        (["--only-masked"], "mask.only_masked", True),
        (["--only-masked", "--padding", "8"], "mask.padding", 8),
        (["--mask-weight", "0.5"], "mask.weight", 0.5),
        ([], "mask.soft", None),
        (["--soft"], "mask.soft.contrast", 4),
        (["--soft", "--schedule-bias", "2"], "mask.soft.schedule_bias", 2),
        (["--soft", "--preservation", "2"], "mask.soft.preservation", 2),
        (["--soft", "--contrast", "2"], "mask.soft.contrast", 2),
        (["--soft", "--mask-influence", "1"], "mask.soft.mask_influence", 1),
        (["--soft", "--difference-threshold", "2"], "mask.soft.difference_threshold", 2),
        (["--soft", "--difference-contrast", "3"], "mask.soft.difference_contrast", 3),
        (["--strength", "1"], "start.strength", 1),
    ],
)
def test_options_of_a_mask(
    easel: Easel, client: ScriptedClient, arguments: list[str], field: str, value: object
) -> None:
    ending = easel("inpaint", "fox.png", "a fox", "--mask", "mask.png", *arguments)
    assert ending.code == 0
    (request,) = client.requests
    assert request.recipe == "inpaint"
    assert request.mask is not None and request.mask.image == Path("mask.png").read_bytes()
    assert field_of(request, field) == value


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (["--left", "8"], "outpaint.left", 8),
        (["--right", "16"], "outpaint.right", 16),
        (["--top", "24"], "outpaint.top", 24),
        (["--bottom", "32"], "outpaint.bottom", 32),
        (["--left", "8", "--feather", "0"], "outpaint.feather", 0),
        (["--left", "64", "--reach", "32"], "outpaint.reach", 32),
    ],
)
def test_options_of_growing(
    easel: Easel, client: ScriptedClient, arguments: list[str], field: str, value: object
) -> None:
    assert easel("outpaint", "fox.png", "a fox", *arguments).code == 0
    assert client.requests[0].recipe == "outpaint"
    assert field_of(client.requests[0], field) == value


def test_a_sketch_on_blank_paper(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("sketch", "a fox", "--strokes", "strokes.json", "--size", "32x16", "--paper", "#00ff00", "-s", "0.9")
    assert ending.code == 0
    (request,) = client.requests
    assert request.recipe == "image_to_image" and request.start is not None and request.start.strength == 0.9
    picture = opened(request.start.image)
    assert picture.size == (32, 16)
    assert [picture.getpixel(place) for place in ((16, 8), (16, 14))] == [(255, 0, 0), (0, 255, 0)]


def test_a_sketch_on_a_picture_and_its_mask(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("sketch", "a", "--strokes", "strokes.json", "--on", "fox.png", "--inpaint", "--blur", "2")
    assert ending.code == 0
    (request,) = client.requests
    assert request.recipe == "inpaint" and request.start is not None and request.mask is not None
    assert request.mask.image is not None and request.mask.blur == 2
    drawn, mask = opened(request.start.image), opened(request.mask.image)
    assert ((numpy.asarray(drawn) != 255).any(-1) == (numpy.asarray(mask) > 0)).all()
    assert mask.getbbox() is not None


def test_pictures_stand_in_a1111_s_folder_and_seeds_run_on(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("img2img", "fox.png", "a fox", "--seed", "5", "--batch-count", "2")
    folder = Path("outputs/img2img-images") / date.today().isoformat()
    assert sorted(ending.lines) == [str(folder / f"0000{place}-{5 + place}.png") for place in (0, 1)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["img2img", "none.png", "a fox"], "FILE is 'none.png', allowed is a file that can be read"),
        (["img2img", "strokes.json", "a fox"], "FILE is 'not such a picture'"),
        (["img2img", "fox.png", "a fox", "-s", "2"], "--strength is 2.0, allowed is at most 1"),
        (["img2img", "fox.png", "a fox", "--resize", "wide"], "--resize 'wide' is not known"),
        (["img2img", "fox.png", ""], "prompt is ''"),
        (["inpaint", "fox.png", "a fox", "--mask", "strokes.json"], "--mask is 'not such a picture'"),
        (["inpaint", "fox.png", "a fox", "--mask", "mask.png", "--blur", "99"], "--blur is 99.0"),
        (["inpaint", "fox.png", "a fox", "--mask", "mask.png", "--contrast", "3"], "together with --soft"),
        (["inpaint", "fox.png", "a fox", "--mask", "mask.png", "--padding", "3"], "together with --only-masked"),
        (["outpaint", "fox.png", "a fox"], "--left, --right, --top and --bottom is 'no side'"),
        (["outpaint", "fox.png", "a fox", "--left", "9"], "--left is 9, allowed is a multiple of 8"),
        (["sketch", "a fox", "--strokes", "strokes.json"], "--size is None"),
        (["sketch", "a fox", "--strokes", "strokes.json", "--size", "99999"], "--size width is 99999"),
        (["sketch", "a fox", "--strokes", "fox.png", "--size", "64"], "--strokes is 'fox.png'"),
        (["sketch", "a fox", "--strokes", "strokes.json", "--size", "64", "--blur", "2"], "together with --inpaint"),
        (["sketch", "a fox", "--strokes", "strokes.json", "--size", "64", "--paper", "redd"], "--paper is 'redd'"),
    ],
)
def test_trouble_is_one_line(easel: Easel, client: ScriptedClient, arguments: list[str], words: str) -> None:
    ending = easel(*arguments)
    assert (ending.code, ending.out, client.requests) == (2, "", [])
    assert words in ending.err and ending.err.count("\n") == 1


@pytest.mark.parametrize("command", ["img2img", "inpaint", "outpaint", "sketch"])
def test_help(easel: Easel, command: str) -> None:
    ending = easel(command, "--help")
    assert ending.code == 0 and "--strength" in ending.out and "--seed" in ending.out


def test_pictures_from_the_engine(easel: Easel, tiny_folder: Path) -> None:
    asked = ("--model", str(tiny_folder), "--steps", "2", "--seed", "3")
    for command in (
        ["img2img", "fox.png", "a fox"],
        ["inpaint", "fox.png", "a fox", "--mask", "mask.png"],
        ["outpaint", "fox.png", "a fox", "--left", "8"],
        ["sketch", "a fox", "--strokes", "strokes.json", "--on", "fox.png", "--inpaint"],
    ):
        ending = easel(*command, *asked)
        assert (ending.code, len(ending.lines)) == (0, 1), ending.err
        with Image.open(ending.lines[0]) as image:
            assert image.size == ((72, 48) if command[0] == "outpaint" else (64, 48))


def test_masks_that_cannot_be_used_are_refused_by_the_engine(easel: Easel, tiny_folder: Path) -> None:
    Image.new("L", (64, 48)).save("black.png")
    Image.new("L", (48, 48), 255).save("square.png")
    for mask, words in (("black.png", "nothing to paint"), ("square.png", "48x48")):
        ending = easel("inpaint", "fox.png", "a fox", "--mask", mask, "--model", str(tiny_folder))
        assert ending.code == 2 and "mask" in ending.err and words in ending.err


def test_what_is_found_at_submit_is_told_in_the_words_of_the_options(easel: Easel) -> None:
    for name, size in (("picture.png", (64, 64)), ("mask.png", (32, 32))):
        Image.new("RGB", size, "white").save(name)
    ending = easel("inpaint", "picture.png", "a fox", "--mask", "mask.png", "--steps", "1")
    assert ending.code == 2
    assert ending.err == "error: --mask is '32x32', allowed is the start picture's size, 64x64.\n"
