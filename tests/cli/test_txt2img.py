"""`easel txt2img`: every option reaches its field, pictures reach their folder, and trouble is one clear line."""

from __future__ import annotations

import io
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from easel.core.limits import MAX_PROMPT
from easel.media.metadata import read_picture_file
from tests.cli.conftest import Easel
from tests.cli.scripted import ScriptedClient


def field_of(request: object, path: str) -> Any:
    for name in path.split("."):
        request = getattr(request, name)
    return request


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (["--negative", "blurry"], "negative_prompt", "blurry"),
        (["-n", "blurry"], "negative_prompt", "blurry"),
        (["--model", "mine"], "model", "mine"),
        (["--seed", "7"], "seed", 7),
        (["--batch-size", "3"], "batch_size", 3),
        (["--steps", "12"], "steps", 12),
        (["--sampler", "Euler a"], "sampler", "Euler a"),
        (["--sampler", "euler", "--sampler-option", "s_churn=0.5"], "sampler_options", {"s_churn": 0.5}),
        (["--schedule", "Karras"], "schedule", "Karras"),
        (["--schedule", "karras", "--schedule-option", "rho=5"], "schedule_options", {"rho": 5}),
        (["--cfg", "4.5"], "guidance.scale", 4.5),
        (["--rescale", "0.7"], "guidance.rescale", 0.7),
        (["--guidance-start", "0.1"], "guidance.start", 0.1),
        (["--guidance-end", "0.8"], "guidance.end", 0.8),
        (["--noise", "nv"], "noise", "NV"),
        (["--alone"], "alone", True),
        (["--size", "512x768"], "width", 512),
        (["--size", "512x768"], "height", 768),
        (["--size", "64"], "height", 64),
    ],
)
def test_an_option_reaches_its_field(
    easel: Easel, client: ScriptedClient, arguments: list[str], field: str, value: object
) -> None:
    ending = easel("txt2img", "a fox", *arguments)
    assert ending.code == 0
    assert field_of(client.requests[0], field) == value


def test_what_is_not_given_stays_with_the_model(easel: Easel, client: ScriptedClient) -> None:
    easel("txt2img", "a fox")
    request = client.requests[0]
    assert (request.steps, request.sampler, request.schedule, request.guidance.scale) == (None, None, None, None)
    assert (request.width, request.height, request.model) == (None, None, "starter")


def test_a_picture_stands_in_the_folder_of_the_day(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("txt2img", "빨간 사과", "--seed", "5")
    path = Path("outputs/txt2img-images") / date.today().isoformat() / "00000-5.png"
    assert ending.lines == [str(path)]
    infotext = read_picture_file(path).infotext
    assert infotext is not None and infotext.startswith("빨간 사과\n")
    assert client.closed


def test_prompts_share_a_seed_and_counts_run_on(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("txt2img", "slow fox", "slow owl", "--seed", "10", "--batch-size", "2", "--batch-count", "3")
    asked = sorted((request.prompt, request.seed) for request in client.requests)
    assert asked == [(prompt, seed) for prompt in ("slow fox", "slow owl") for seed in (10, 12, 14)]
    assert len(ending.lines) == 12
    assert client.most_at_once == 6
    assert "12 pictures in" in ending.err


def test_a_random_seed_is_drawn_for_each_prompt(easel: Easel, client: ScriptedClient) -> None:
    easel("txt2img", "a fox", "a whale", "--seed", "-1", "--batch-count", "2")
    first, second, third, fourth = (request.seed or 0 for request in client.requests)
    assert second == first + 1 and fourth == third + 1 and first != third


def test_more_runs_than_places(easel: Easel, client: ScriptedClient) -> None:
    client.places = 2
    ending = easel("txt2img", "a slow fox", "--batch-count", "7", "--steps", "1")
    assert (ending.code, len(ending.lines), client.most_at_once) == (0, 7, 2)


def test_prompts_from_a_file_and_from_standard_input(
    easel: Easel, client: ScriptedClient, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "prompts.txt").write_text("# animals\na fox\n\n  a whale \n", encoding="utf-8")
    easel("txt2img", "first", "--prompts", "prompts.txt")
    monkeypatch.setattr(sys, "stdin", io.StringIO("an apple\n"))
    easel("txt2img", "--prompts", "-")
    assert [request.prompt for request in client.requests] == ["first", "a fox", "a whale", "an apple"]


def test_json_is_all_that_stands_on_stdout(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("txt2img", "a fox", "a fail", "--seed", "3", "--json")
    picture, failure = sorted((json.loads(line) for line in ending.lines), key=lambda facts: "error" in facts)
    assert Path(picture["path"]).is_absolute() and Path(picture["path"]).is_file()
    assert (picture["seed"], picture["prompt"], picture["width"]) == (3, "a fox", 64)
    assert picture["infotext"].startswith("a fox\nSteps: 4")
    assert failure["error"]["kind"] == "OutOfMemory" and failure["prompt"] == "a fail"
    assert ending.code == 1


def test_one_that_fails_leaves_the_others(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("txt2img", "a fox", "a fail", "another fail", "a whale", "--seed", "1")
    assert (ending.code, len(ending.lines)) == (1, 2)
    errors = [line for line in ending.err.splitlines() if line.startswith("error")]
    (error,) = errors  # both fail alike, and whichever is heard of first is named
    assert error.startswith(("error in 'a fail': out of memory", "error in 'another fail': out of memory"))
    assert "kept 2 of 4 pictures" in ending.err


def test_a_refused_request_ends_with_2(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("txt2img", "refuse this")
    assert (ending.code, ending.out) == (2, "")
    assert ending.err == "error: model 'starer' is not known; nearest 'starter'. `easel models list` lists all 1.\n"


@pytest.mark.parametrize("name", ["fox.png", "new folder/fox.jpg", "fox.WEBP"])
def test_out_names_a_file(easel: Easel, client: ScriptedClient, name: str) -> None:
    ending = easel("txt2img", "a fox", "--out", name)
    assert (ending.code, ending.lines) == (0, [name])
    with Image.open(name) as image:
        assert image.size == (64, 64)
    assert [path.name for path in Path(name).parent.iterdir() if path.name.endswith(".part")] == []


def test_out_names_a_folder(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("txt2img", "a fox", "--out", "mine/v1.5", "--seed", "4", "--batch-count", "2")
    assert {Path(line).parent.as_posix() for line in ending.lines} == {"mine/v1.5"}
    assert sorted(line[-6:] for line in ending.lines) == ["-4.png", "-5.png"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], 'no prompt: say what to draw, for example: easel txt2img "a fox".'),
        (["  "], "prompt is '  ', allowed is words that say what to draw; for example \"a fox\"."),
        (["x" * (MAX_PROMPT + 1)], f"allowed is at most {MAX_PROMPT} characters"),
        (["a\udcff"], "prompt is 'a\\udcff', allowed is valid Unicode text"),
        (["a", "--size", "510x512"], "--size width is 510, allowed is a multiple of 8; nearest are 504 and 512."),
        (["a", "--size", "512x0"], "--size height is 0, allowed is at least 8."),
        (["a", "--size", "big"], "--size is 'big', allowed is WIDTHxHEIGHT in pixels; for example 512x768."),
        (["a", "--size", "9" * 5000], "allowed is WIDTHxHEIGHT in pixels"),
        (["a", "--steps", "0"], "--steps is 0, allowed is at least 1."),
        (["a", "--steps", "100000"], "--steps is 100000, allowed is at most 1000."),
        (["a", "--steps", "many"], "--steps"),
        (["a", "--cfg", "nan"], "--cfg is nan, allowed is a finite number."),
        (["a", "--cfg", "-1"], "--cfg is -1.0, allowed is at least 0."),
        (["a", "--rescale", "2"], "--rescale is 2.0, allowed is at most 1."),
        (["a", "--guidance-end", "1.5"], "--guidance-end is 1.5, allowed is at most 1."),
        (["a", "--seed", "-2"], "--seed is -2, allowed is at least 0."),
        (["a", "--batch-size", "0"], "--batch-size is 0, allowed is at least 1."),
        (["a", "--batch-count", "0"], "--batch-count is 0, allowed is at least 1."),
        (["a", "--noise", "gpu"], "--noise 'gpu' is not known"),
        (["a", "--sampler", "eulr"], "sampler 'eulr' is not known; nearest 'Euler'. `easel models samplers` lists all"),
        (["a", "--schedule", "karas"], "schedule 'karas' is not known; nearest 'Karras'."),
        (["a", "--sampler", "euler", "--sampler-option", "s_chrn=1"], "'s_chrn' is not known; nearest 's_churn'."),
        (["a", "--sampler", "euler", "--sampler-option", "s_churn=x"], "allowed is a finite number."),
        (["a", "--sampler-option", "eta"], "--sampler-option is 'eta', allowed is NAME=VALUE; for example eta=0.5."),
        (["a", "--sampler-option", "a=1", "--sampler-option", "a=2"], "allowed is each name once."),
        (["a", "--prompts", "nowhere.txt"], "--prompts is 'nowhere.txt', allowed is a text file that can be read"),
        (["a", "b", "--out", "one.png"], "--out is 'one.png', allowed is a folder for 2 pictures"),
        (["a", "--stepz", "4"], "--steps"),
        (["a", "--steps"], "--steps"),
    ],
)
def test_a_wrong_request_is_one_line(
    easel: Easel, client: ScriptedClient, home: Path, arguments: list[str], said: str
) -> None:
    ending = easel("txt2img", *arguments)
    assert (ending.code, ending.out) == (2, "")
    assert ending.err.startswith("error: ") and ending.err.count("\n") == 1
    assert said in ending.err
    assert client.requests == [] and list(home.iterdir()) == []


def test_an_output_folder_that_is_a_file(easel: Easel, client: ScriptedClient, home: Path) -> None:
    (home / "taken").write_text("")
    ending = easel("txt2img", "a fox", "--out", "taken")
    assert (ending.code, ending.out, client.requests) == (1, "", [])
    assert ending.err == "error: cannot write pictures to taken: not a directory; choose another place with --out.\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_folder_that_takes_no_files(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("txt2img", "a fox", "--out", "/proc/easel")
    assert (ending.code, ending.out, client.requests) == (1, "", [])
    assert ending.err.startswith("error: cannot write pictures to /proc/easel: ") and ending.err.count("\n") == 1


def test_a_disk_that_fills_up_ends_the_rest(
    easel: Easel, client: ScriptedClient, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("easel.media.images.write_whole", full)
    ending = easel("txt2img", "a fox", "a slow whale", "--steps", "500")
    assert (ending.code, ending.out) == (1, "")
    assert "No space left on device" in ending.err and ending.err.count("error: ") == 1
    assert not [path for path in home.rglob("*") if path.is_file()]


def test_a_fault_of_our_own_is_one_line(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(settings: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("easel.app.open_client", broken)
    ending = easel("txt2img", "a fox")
    assert (ending.code, ending.out) == (1, "")
    assert ending.err.startswith("error: internal error: ZeroDivisionError: by zero.") and ending.err.count("\n") == 1
    monkeypatch.setenv("EASEL_DEBUG", "1")
    debugged = easel("txt2img", "a fox")
    assert (debugged.code, debugged.err.splitlines()[0]) == (1, "Traceback (most recent call last):")


def test_styles_wildcards_and_choices(easel: Easel, client: ScriptedClient) -> None:
    Path("styles.csv").write_text("name,prompt,negative_prompt\nSnow,{prompt} in snow,fog\n", encoding="utf-8")
    Path("wildcards").mkdir()
    Path("wildcards/thing.txt").write_text("whale\n")
    arguments = ("a {red|blue|green|white} __thing__", "--style", "Snow", "--seed", "1", "--batch-size", "6")
    assert easel("txt2img", *arguments).code == 0
    assert {request.batch_size for request in client.requests} == {1}  # each picture has its own words
    assert sorted(request.seed or 0 for request in client.requests) == [1, 2, 3, 4, 5, 6]
    prompts = {request.prompt for request in client.requests}
    assert len(prompts) > 1
    assert prompts <= {f"a {colour} whale in snow" for colour in ("red", "blue", "green", "white")}
    assert {request.negative_prompt for request in client.requests} == {"fog"}
    ending = easel("txt2img", "a fox", "--style", "snoww")
    assert (ending.code, "nearest 'Snow'" in ending.err) == (2, True)
    ending = easel("txt2img", "a __thng__")
    assert (ending.code, "nearest 'thing'" in ending.err) == (2, True)
