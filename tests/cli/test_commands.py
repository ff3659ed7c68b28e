"""Help, version, lists and `easel info`: light, readable, and without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from rich.cells import cell_len

from easel.cli.commands import COMMANDS
from easel.media.metadata import encode
from easel.prompt.infotext import write
from tests.cli.conftest import Easel
from tests.cli.scripted import ScriptedClient

HEAVY = ("torch", "diffusers", "transformers", "numpy", "scipy")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["txt2img", "--help"],
        ["txt2img", "a", "--sampler", "none such"],
        ["info", "fox.png"],
        ["models", "list"],
        ["models", "samplers"],
        ["models", "schedules"],
    ],
)
def test_torch_is_not_imported(home: Path, arguments: list[str]) -> None:
    fox(home / "fox.png")
    program = f"""
import sys
from easel.cli.main import main
main({arguments!r})
heavy = [name for name in {HEAVY!r} if name in sys.modules]
sys.exit(f"imported {{heavy}}" if heavy else 0)
"""
    found = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_help_needs_neither_rich_nor_pydantic(home: Path) -> None:
    program = """
import sys
from easel.cli.main import main
main(["--help"])
print([name for name in ("rich", "easel.core.request") if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_command(easel: Easel, arguments: list[str]) -> None:
    ending = easel(*arguments)
    assert (ending.code, ending.err) == (0, "")
    assert all(f"\n  {name} " in ending.out for name in ("txt2img", "info", "models", "doctor"))


def test_the_list_says_what_each_command_says_of_itself(easel: Easel) -> None:
    for name, (_, _, said) in COMMANDS.items():
        ending = easel(name, "--help")
        assert ending.code == 0
        assert ending.lines[0].startswith(f"Usage: easel {name} ")
        assert " ".join(said.split()) in " ".join(ending.out.split())


def test_help_fits_80_columns(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for command in (["--help"], ["txt2img", "--help"], ["models", "--help"], ["info", "--help"], ["doctor", "--help"]):
        assert max(map(len, easel(*command).lines)) <= 80
    groups = [line for line in easel("txt2img", "--help").lines if line.endswith(":") and line[0] != " "]
    assert (groups[0], groups[-2:]) == ("Arguments:", ["Output:", "Options:"])
    assert {"Picture:", "Sampling:", "Seeds and noise:", "Words:"} < set(groups)


def test_version(easel: Easel) -> None:
    assert easel("--version").out.startswith("easel ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["txt2im", "a"], "txt2img"),
        (["models", "sampler"], "samplers"),
        (["info"], "FILE"),
        (["--verison"], "--version"),
    ],
)
def test_a_wrong_command_line_is_one_line(easel: Easel, arguments: list[str], said: str) -> None:
    ending = easel(*arguments)
    assert (ending.code, ending.out, ending.err.count("\n")) == (2, "", 1)
    assert said in ending.err


def test_samplers_and_schedules(easel: Easel) -> None:
    samplers = [json.loads(line) for line in easel("models", "samplers", "--json").lines]
    euler = next(facts for facts in samplers if facts["name"] == "Euler")
    assert "k_euler" in euler["aliases"] and euler["options"]["s_noise"] == 1.0
    table = easel("models", "samplers").lines
    assert len(table) == len(samplers) + 1 and table[0].split() == ["name", "also", "schedule", "options"]
    schedules = easel("models", "schedules")
    assert "Karras" in schedules.out and schedules.lines[0].split() == ["name", "also", "options"]


def test_models(easel: Easel, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("easel.models.library.names.STARTER", home / "no starter")
    none = easel("models", "list")
    assert (none.code, none.out) == (1, "") and str(home / "models") in none.err
    write_index(home / "models" / "mine")
    listed = easel("models", "list")
    assert listed.code == 0 and listed.lines[1].split()[:3] == ["mine", "sd", "1.x"]
    assert json.loads(easel("models", "list", "--json").out)["path"] == "models/mine"
    (home / "models" / "mine" / "unet" / "config.json").write_text("{", encoding="utf-8")
    broken = easel("models", "list")
    assert broken.code == 1 and "config.json: cannot be read as JSON" in broken.err


def test_info_reads_what_txt2img_wrote(easel: Easel, client: ScriptedClient) -> None:
    path = easel("txt2img", "빨간 사과, (shiny:1.2)", "--negative", "blurry", "--seed", "9").lines[0]
    shown = easel("info", path)
    assert shown.lines == [
        "Prompt    빨간 사과, (shiny:1.2)",
        "Negative  blurry",
        "Steps     4",
        "Sampler   Euler",
        "Seed      9",
        "Size      64x64",
    ]
    facts = json.loads(easel("info", path, "--json").out)
    assert (facts["prompt"], facts["negative_prompt"], facts["settings"]["Seed"]) == (
        "빨간 사과, (shiny:1.2)",
        "blurry",
        "9",
    )
    assert (facts["path"], facts["width"], facts["format"]) == (path, 64, "png")


def test_info_wraps_wide_letters_by_their_width(easel: Easel, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    fox(home / "fox.png", "파란 배경의 여우와 빨간 사과와 노란 바나나와 초록 나무")
    lines = easel("info", "fox.png").lines
    assert max(map(cell_len, lines)) <= 40 and lines[1].startswith("        ")


def test_info_says_what_is_wrong_and_goes_on(easel: Easel, home: Path) -> None:
    fox(home / "fox.png")
    (home / "bare.png").write_bytes(encode(Image.new("RGB", (8, 16))))
    (home / "text.png").write_text("no picture")
    (home / "cut.png").write_bytes((home / "fox.png").read_bytes()[:-30])
    ending = easel("info", "bare.png", "text.png", "cut.png", "none.png", ".", "fox.png")
    assert ending.code == 2 and "a red fox" in ending.out
    bare, text, cut, none, folder = ending.err.splitlines()
    assert bare == "error: bare.png: a PNG of 8x16 without infotext."
    assert text == "error: text.png: not such a picture; allowed is a whole PNG, JPEG or WebP picture."
    assert cut.startswith("error: cut.png: ")
    assert (none, folder) == ("error: none.png: no such file.", "error: .: a folder; name the pictures in it.")


def fox(path: Path, prompt: str = "a red fox") -> None:
    fields = {"Steps": 20, "Sampler": "Euler a", "Seed": 1, "Size": "8x8"}
    path.write_bytes(encode(Image.new("RGB", (8, 8)), write(prompt, "", fields)))


def write_index(folder: Path) -> None:
    (folder / "unet").mkdir(parents=True)
    (folder / "scheduler").mkdir()
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    (folder / "unet" / "config.json").write_text('{"_class_name": "UNet2DConditionModel", "in_channels": 4}')
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    for part in ("unet", "vae", "text_encoder"):
        (folder / part).mkdir(exist_ok=True)
        (folder / part / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
