"""`easel replay` and what `easel info --json` recalls: real pictures drawn twice, and honest words on differences."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from easel.media.metadata import encode, read_picture_file
from easel.prompt.infotext import read
from tests.cli.conftest import Easel
from tests.cli.scripted import ScriptedClient
from tests.ldm import SMALL_1, random_tensors, write_ldm
from tests.tiny import tiny_folder as tiny_folder

Draw = Callable[..., Path]

GRAPH = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 5,
            "steps": 3,
            "cfg": 4.0,
            "sampler_name": "euler",
            "scheduler": "karras",
            "denoise": 1.0,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "tiny.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 32, "height": 32, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a (red:1.2) fox", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}},
}


@pytest.fixture
def draw(easel: Easel, home: Path, tiny_folder: Path) -> Draw:
    """Draw a small fox with the tiny model, known as "tiny", and return its file."""
    shutil.copytree(tiny_folder, home / "models" / "tiny")

    def drawn(*options: str, out: str = "fox.png", prompt: str = "a fox") -> Path:
        usual = ("--model", "tiny", "--steps", "3", "--size", "32", "--seed", "7", "--out", out)
        ending = easel("txt2img", prompt, *usual, *options)
        assert ending.code == 0, ending.err
        return Path(ending.lines[-1])

    return drawn


def written(path: Path, line: str, prompt: str = "a fox", side: int = 32) -> Path:
    path.write_bytes(encode(Image.new("RGB", (side, side)), f"{prompt}\n{line}"))
    return path


def report(easel: Easel, *arguments: str) -> dict[str, Any]:
    ending = easel("replay", *arguments, "--json")
    (line,) = ending.lines
    found = json.loads(line)
    assert ending.code == (0 if found["equal"] else 1)
    return found


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--sampler", "DPM++ SDE", "--sampler-option", "eta=0.7", "--schedule", "Karras", "--schedule-option", "rho=5"),
        ("--sampler", "Euler a", "--ensd", "31337", "--noise", "nv", "--clip-skip", "2", "--rescale", "0.5"),
        ("--variation", "0.3", "--variation-seed", "9", "--seed-size", "64x64", "--negative", "Negative prompt: 눈"),
    ],
)
def test_a_picture_comes_back_bit_for_bit(easel: Easel, draw: Draw, options: tuple[str, ...]) -> None:
    path = draw(*options, prompt="한 여우 [in snow:at night:0.5],\n(red:1.2)")
    ending = easel("replay", str(path))
    assert (ending.code, ending.lines) == (0, ["equal, bit for bit: all 1,024 pixels"])


def test_each_picture_of_a_batch_comes_back_and_its_batch_is_told(easel: Easel, draw: Draw) -> None:
    draw("--batch-size", "3", out="batch")
    for place, path in enumerate(sorted(Path("batch").iterdir())):
        found = report(easel, str(path))
        assert found["batch"] == 3 and read(found["infotext"]).fields["Seed"] == str(7 + place)
        assert found["equal"] or (found["greatest"] <= 1 and found["psnr"] > 50)


@pytest.mark.parametrize("ending", ["jpg", "webp"])
def test_lossy_formats_are_compared_after_their_losses(easel: Easel, draw: Draw, ending: str) -> None:
    shown = easel("replay", str(draw(out=f"fox.{ending}")))
    name = {"jpg": "JPEG", "webp": "WEBP"}[ending]
    assert (shown.code, shown.lines) == (0, [f"equal, bit for bit: all 1,024 pixels, after the losses of {name}"])


def test_the_new_picture_is_kept_where_it_is_asked_for(easel: Easel, draw: Draw) -> None:
    path = draw()
    ending = easel("replay", str(path), "--out", "again.png")
    assert ending.lines[1:] == [str(Path("again.png").absolute())]
    assert Path("again.png").read_bytes() == path.read_bytes()
    assert easel("replay", str(path), "--out", "nowhere/x.png").code == 0
    assert sorted(file.name for file in Path().iterdir()) == ["again.png", "fox.png", "models", "nowhere"]


def test_what_differs_is_told(easel: Easel, draw: Draw, home: Path) -> None:
    path = draw()
    text = read_picture_file(path).infotext or ""
    fields = read(text).fields
    other = text.replace(f"Model hash: {fields['Model hash']}", "Model hash: 0123456789")
    image = Image.open(path).convert("RGB")
    image.putpixel((3, 4), tuple(255 - level for level in image.getpixel((3, 4))))  # type: ignore[union-attr]
    (home / "other.png").write_bytes(encode(image, f"{other}, Token merging ratio: 0.5"))
    found = report(easel, "other.png")
    assert (found["equal"], found["pixels"], found["differing"]) == (False, 1024, 1)
    assert found["differs"] == {"Model hash": ["0123456789", fields["Model hash"]]}
    assert found["ignored"] == {"Token merging ratio": "0.5"}
    shown = easel("replay", "other.png")
    assert shown.code == 1
    assert shown.lines[0].startswith("not equal: 1 of 1,024 pixels differ, at most by ")
    assert shown.lines[1].split() == ["Not", "honoured", "Token", "merging", "ratio:", "0.5"]
    assert f"0123456789 in the file, {fields['Model hash']} now" in shown.lines[2]
    (home / "changed.png").write_bytes(encode(image, text))
    assert "Perhaps" in easel("replay", "changed.png").out


def test_another_size_is_told(easel: Easel, draw: Draw, home: Path) -> None:
    draw()
    written(home / "small.png", "Steps: 2, Seed: 1, Size: 32x32, Model: tiny", side=16)
    found = report(easel, "small.png")
    assert (found["equal"], found["psnr"], found["size"]) == (False, None, ["16x16", "32x32"])
    assert easel("replay", "small.png").lines[0] == "not equal: 16x16 in the file, 32x32 now"


def test_a_model_may_be_named_instead(easel: Easel, draw: Draw, home: Path) -> None:
    draw()
    written(home / "wild.png", "Steps: 2, Sampler: DPM++ SDE Karras, Seed: 1, Size: 32x32, Model: AnythingV5")
    refused = easel("replay", "wild.png")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("error: wild.png: model 'AnythingV5' is not known")
    assert refused.err.endswith("Use --model NAME to take another.\n")
    found = report(easel, "wild.png", "--model", "tiny")
    fields = read(found["infotext"]).fields
    assert (fields["Sampler"], fields["Schedule type"], fields["RNG"]) == ("DPM++ SDE", "Karras", "NV")
    assert found["differs"]["Model"] == ["AnythingV5", "tiny"]


@pytest.mark.parametrize(
    ("line", "arguments", "said"),
    [
        ("Steps: twenty, Seed: 1, Size: 8x8", (), "infotext \"Steps\" is 'twenty', allowed is a whole number."),
        ("Steps: 2, Seed: 1, Sampler: Eulr", (), "sampler 'Eulr' is not known; nearest 'Euler'"),
        ("Steps: 2, Seed: 1, Sampler: Euler, Sampler pace: 3", (), "option of Euler 'pace' is not known"),
        ("Steps: 2, Seed: 1, Denoising strength: 0.5", (), "made from another picture, which metadata does not keep"),
        ("Steps: 2, Mask blur: 4, Denoising strength: 0.5", (), "give --start FILE and --mask FILE."),
        ("Steps: 2, Seed: 1, Size: 8x8", ("--start", "fox.png"), "made without a start picture; leave --start out."),
        ("Steps: 2, Seed: 1, Denoising strength: 0.5", ("--start", "none.png"), "--start"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(
    easel: Easel, client: ScriptedClient, home: Path, line: str, arguments: tuple[str, ...], said: str
) -> None:
    written(home / "fox.png", line)
    ending = easel("replay", "fox.png", *arguments)
    assert (ending.code, ending.out, ending.err.count("\n")) == (2, "", 1)
    assert said in ending.err
    assert client.requests == []


def test_files_without_words(easel: Easel, home: Path) -> None:
    (home / "bare.png").write_bytes(encode(Image.new("RGB", (8, 8))))
    assert easel("replay", "bare.png").err == "error: bare.png: a PNG of 8x8 without infotext.\n"
    assert easel("replay", "none.png").err == "error: none.png: no such file.\n"


def test_a_run_that_fails_ends_the_replay(easel: Easel, client: ScriptedClient, home: Path) -> None:
    written(home / "fox.png", "Steps: 2, Seed: 1, Size: 8x8, Model: starter", prompt="fail")
    ending = easel("replay", "fox.png")
    assert ending.code == 1 and ending.out == "" and "out of memory" in ending.err
    (request,) = client.requests
    assert (request.alone, request.batch_size) == (True, 1)


def comfy(path: Path, text: str) -> Path:
    chunks = PngInfo()
    chunks.add_text("prompt", text)
    Image.new("RGB", (32, 32)).save(path, pnginfo=chunks)
    return path


def test_a_picture_of_comfyui_s(easel: Easel, draw: Draw, home: Path) -> None:
    draw()
    comfy(home / "comfy.png", json.dumps(GRAPH))
    shown = easel("info", "comfy.png")
    assert shown.lines[0].split("  ")[0] == "Prompt" and "sampler         euler" in shown.out
    facts = json.loads(easel("info", "comfy.png", "--json").out)
    assert (facts["source"], facts["infotext"], facts["request"]["model"]) == ("comfyui", None, "tiny")
    assert list(facts["ignored"]) == ["emphasis"]
    found = report(easel, "comfy.png")
    assert not found["equal"] and read(found["infotext"]).fields["Seed"] == "5"
    comfy(home / "broken.png", "{")
    assert easel("info", "broken.png").err.startswith("error: broken.png: ComfyUI graph is '{', allowed is the JSON")


def test_info_says_which_request_it_was(easel: Easel, draw: Draw, home: Path) -> None:
    facts = json.loads(easel("info", str(draw("--variation", "0.5", "--variation-seed", "2")), "--json").out)
    assert (facts["source"], facts["needs"], facts["ignored"]) == ("easel", [], {})
    request = facts["request"]
    assert (request["seed"], request["width"], request["variation"]) == (7, 32, {"seed": 2, "strength": 0.5})
    written(home / "start.png", "Steps: 20, Seed: 1, Denoising strength: 0.5, Token merging ratio: 0.5")
    facts = json.loads(easel("info", "start.png", "--json").out)
    assert (facts["source"], facts["needs"], facts["ignored"]) == ("a1111", ["start"], {"Token merging ratio": "0.5"})
    assert facts["request"]["start"] == {"strength": 0.5}
    written(home / "odd.png", "Steps: twenty, Seed: 1, Size: 8x8")
    facts = json.loads(easel("info", "odd.png", "--json").out)
    assert (facts["request"], facts["problem"][:16]) == (None, 'infotext "Steps"')
    assert "twenty" in easel("info", "odd.png").out


def test_a_picture_made_from_a_picture(easel: Easel, draw: Draw, home: Path) -> None:
    start = draw()
    line = "Steps: 4, Sampler: Euler, Seed: 1, Size: 32x32, Model: tiny, RNG: CPU, Denoising strength: 0.5"
    written(home / "later.png", line)
    first = report(easel, "later.png", "--start", str(start), "--out", "one.png")
    assert not first["equal"] and Path("one.png").exists()
    assert report(easel, "one.png", "--start", str(start))["equal"]
    assert not report(easel, "one.png", "--start", "later.png")["equal"]


def test_a_model_that_was_renamed_is_found_by_its_hash(easel: Easel, home: Path) -> None:
    (home / "models").mkdir()
    first = write_ldm(home / "models" / "first.safetensors", random_tensors(SMALL_1))
    drawn = easel(
        "txt2img", "a fox", "--model", "first", "--steps", "2", "--size", "32", "--seed", "7", "--out", "a.png"
    )
    assert drawn.code == 0, drawn.err
    first.rename(home / "models" / "second.safetensors")
    ending = easel("replay", "a.png")
    assert (ending.code, ending.lines) == (0, ["equal, bit for bit: all 1,024 pixels"])
    assert "model 'first' is not here; 'second' has its hash" in ending.err
    write_ldm(home / "models" / "second.safetensors", random_tensors(SMALL_1, seed=1))
    assert "--model NAME" in easel("replay", "a.png").err
