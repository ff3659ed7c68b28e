"""`easel control`: hints from files, what is listed, and what is refused in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from easel.media.hints import hint_of
from easel.models.readers import all_preprocessors
from easel.models.readers.pose.people import Person, Poses, read_json_text, to_json
from easel.models.readers.pose.picture import render
from tests.cli.conftest import Easel


@pytest.fixture
def fox(home: Path) -> Path:
    """A drawn picture in the working folder."""
    image = Image.new("RGB", (80, 60), "white")
    ImageDraw.Draw(image).ellipse((10, 10, 60, 50), fill="orange", outline="black")
    path = home / "fox.png"
    image.save(path)
    return path


def opened(path: str | Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def test_a_hint_is_written_where_it_was_asked(easel: Easel, fox: Path) -> None:
    shown = easel("control", "canny", "fox.png", "--option", "low=50", "--option", "sigma=1.5", "--out", "edges.png")
    assert (shown.code, shown.out, shown.err) == (0, "edges.png\n", "")
    expected = hint_of(opened(fox), "canny", options={"low": 50, "sigma": 1.5})
    assert opened("edges.png").convert("RGB").tobytes() == expected.tobytes()


def test_without_out_it_goes_to_the_day_s_folder_under_its_seed(easel: Easel, fox: Path) -> None:
    shown = easel("control", "shuffle", "fox.png", "--option", "seed=7")
    assert shown.code == 0
    path = Path(shown.lines[0])
    assert path.parent.parent.name == "control-images" and path.name == "00000-7.png"
    assert opened(path).size == (80, 60)


def test_a1111_s_names_and_a_resolution(easel: Easel, fox: Path) -> None:
    shown = easel("control", "scribble_xdog", "fox.png", "--resolution", "120", "--out", "pen.png", "--json")
    assert json.loads(shown.out) == {
        "path": "pen.png",
        "preprocessor": "scribble",
        "width": 160,
        "height": 120,
        "options": {},
    }


@pytest.mark.parametrize(("how", "size"), [((), (341, 256)), (("--resize", "fill"), (128, 96))])
def test_pixel_perfect(easel: Easel, fox: Path, how: tuple[str, ...], size: tuple[int, int]) -> None:
    shown = easel("control", "none", "fox.png", "--pixel-perfect", "128x256", *how, "--out", "hint.png")
    assert (shown.code, opened("hint.png").size) == (0, size)


@pytest.mark.parametrize("ending", ["png", "webp", "jpg"])
def test_inpaint_reads_what_is_erased(easel: Easel, fox: Path, ending: str) -> None:
    image = opened(fox).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 20, 20))
    image.save("erased.png")
    shown = easel("control", "inpaint", "erased.png", "--out", f"hint.{ending}")
    if ending == "jpg":
        assert (shown.code, shown.err.count("\n")) == (2, 1) and "transparen" in shown.err
        return
    assert shown.code == 0
    alpha = opened(f"hint.{ending}").getchannel("A")
    assert (alpha.getpixel((5, 5)), alpha.getpixel((50, 30))) == (0, 255)


def test_the_list_names_every_preprocessor_with_its_limits(easel: Easel) -> None:
    lines = easel("control", "list").lines
    assert [line.split()[0] for line in lines] == ["name", *(entry.name for entry in all_preprocessors())]
    assert any("low=100 (0 to 2040)" in line for line in lines)
    told = [json.loads(line) for line in easel("control", "list", "--json").lines]
    scribble = next(facts for facts in told if facts["name"] == "scribble")
    assert scribble["aliases"] == ["scribble_xdog"]
    assert scribble["needs"] == []
    assert scribble["options"]["k"] == {"default": 4.0, "least": 1.1, "greatest": 16}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("cany", "fox.png"), "preprocessor 'cany' is not known; nearest 'canny'. `easel control list` lists all"),
        (("canny",), "FILE is None, allowed is a picture; for example: easel control canny fox.png"),
        (("canny", "none.png"), "FILE is 'none.png', allowed is a file that can be read"),
        (("canny", "text.txt"), "FILE is "),
        (("canny", "fox.png", "--option", "lo=3"), "option of canny 'lo' is not known; nearest 'low'"),
        (("canny", "fox.png", "--option", "low=3000"), "option low of canny is 3000, allowed is 0 to 2040"),
        (("canny", "fox.png", "--option", "low"), "--option is 'low', allowed is NAME=VALUE"),
        (("canny", "fox.png", "--resolution", "3"), "resolution is 3, allowed is 8 to 4096 pixels"),
        (("canny", "fox.png", "--pixel-perfect", "big"), "--pixel-perfect is 'big', allowed is WIDTHxHEIGHT"),
        (("canny", "fox.png", "--resize", "fill"), "--resize is 'fill', allowed is given together with"),
        (("none", "fox.png", "--pixel-perfect", "64x64", "--resize", "latent"), "--resize 'latent' is not known"),
        (("none", "fox.png", "--pixel-perfect", "64x64", "--resolution", "64"), "--resolution is 64, allowed is left"),
        (("inpaint", "fox.png"), "picture is 'opaque everywhere', allowed is one with transparent places"),
        (("canny", "fox.png", "--points", "a.json"), "--points is 'a.json', allowed is left out: only openpose"),
        (("softedge_pidinet", "fox.png"), "PiDiNet's code and weights are for research alone; take softedge-hed"),
        (("openpose", "text.json"), "FILE is 'no pose', allowed is OpenPose's JSON"),
        (("openpose", "text.json", "--option", "score=0.5"), "--option is 'score', allowed is left out"),
        (("list", "fox.png"), "FILE is 'fox.png', allowed is left out with list"),
        (("list", "--option", "low=3"), "--option is 'low=3', allowed is left out with list"),
    ],
)
def test_what_cannot_be_done_is_one_line(easel: Easel, fox: Path, arguments: tuple[str, ...], words: str) -> None:
    Path("text.txt").write_text("no picture", encoding="utf-8")
    Path("text.json").write_text("no pose", encoding="utf-8")
    shown = easel("control", *arguments)
    assert (shown.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert words in shown.err
    assert {path.name for path in Path().rglob("*.png")} == {"fox.png"}


POSES = Poses((Person(tuple((10.0 + 3 * place, 5.0 + 4 * place) for place in range(18))),), 90, 120)


def test_a_pose_of_json_is_drawn_without_weights_and_written_again(easel: Easel, home: Path) -> None:
    Path("pose.json").write_text(json.dumps(to_json(POSES)), encoding="utf-8")
    shown = easel("control", "openpose", "pose.json", "--out", "pose.png", "--points", "again.json")
    assert (shown.code, shown.out) == (0, "pose.png\n")
    assert opened("pose.png").convert("RGB").tobytes() == render(POSES).tobytes()
    assert read_json_text(Path("again.json").read_text(encoding="utf-8")) == POSES
    larger = easel("control", "dw_openpose_full", "pose.json", "--resolution", "180", "--out", "large.png")
    assert (larger.code, opened("large.png").size) == (0, (180, 240))
    faces = easel("control", "openpose_faceonly", "pose.json", "--out", "face.png")
    assert faces.code == 0 and opened("face.png").convert("RGB").getbbox() is None


def test_points_that_cannot_be_written_are_told(easel: Easel, home: Path) -> None:
    Path("pose.json").write_text(json.dumps(to_json(POSES)), encoding="utf-8")
    shown = easel("control", "openpose", "pose.json", "--out", "pose.png", "--points", "none/again.json")
    assert (
        shown.code != 0 and "none/again.json: the points cannot be written" in shown.err and shown.err.count("\n") == 1
    )


def test_a_missing_file_is_told_before_torch_is_loaded(fox: Path) -> None:
    program = f"""
import sys
from easel.cli.main import main
code = main(("control", "softedge_hed", {str(fox)!r}))
sys.exit(code + 10 * ("torch" in sys.modules))
"""
    found = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 2 and "hf:lllyasviel/Annotators/ControlNetHED.pth" in found.stderr, found.stderr


def test_a_preprocessor_with_its_file_draws(easel: Easel, fox: Path) -> None:
    from easel.models.readers.networks.hed import Hed
    from tests.models.readers.making import write_weights

    write_weights(Hed(), Path("models/annotators/ControlNetHED.pth"))
    shown = easel("control", "softedge_hed", "fox.png", "--resolution", "40", "--out", "edges.png", "--json")
    told = json.loads(shown.out)
    assert (told["preprocessor"], told["width"], told["height"]) == ("softedge-hed", 53, 40)
    listed = {facts["name"]: facts for facts in map(json.loads, easel("control", "list", "--json").lines)}
    assert listed["softedge-hed"]["needs"] == [
        {
            "name": "ControlNetHED.pth",
            "there": True,
            "get": "easel models download hf:lllyasviel/Annotators/ControlNetHED.pth --kind preprocessor",
        }
    ]
    lines = easel("control", "list").lines
    assert any("ControlNetHED.pth" in line and "missing" not in line for line in lines)
    assert any("sk_model.pth (missing)" in line for line in lines)


def test_it_loads_no_torch(fox: Path) -> None:
    program = f"""
import sys
from easel.cli.main import main
code = main(("control", "canny", {str(fox)!r}, "--out", "edges.png"))
sys.exit(code or "torch" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
