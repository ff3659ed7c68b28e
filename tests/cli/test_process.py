"""Commands that work on finished pictures: what is asked reaches the request, and trouble is one line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from PIL import Image

from easel.core.detail import Detail
from easel.core.finishing import Background, Enlarge, Faces
from easel.media.metadata import encode
from easel.prompt.infotext import write
from tests.cli.conftest import Easel
from tests.cli.scripted import ScriptedClient


@pytest.fixture(autouse=True)
def pictures(home: Path) -> None:
    told = write("a red fox", "fog", {"Steps": 4, "Sampler": "Euler", "Seed": 7})
    Path("fox.png").write_bytes(encode(Image.new("RGB", (40, 24), (200, 90, 20)), told))
    Path("owl.png").write_bytes(encode(Image.new("RGB", (24, 40))))


def test_several_pictures_go_together(easel: Easel, client: ScriptedClient) -> None:
    ending = easel("process", "fox.png", "owl.png", "--enlarge", "4", "--faces", "GFPGAN", "--background", "flat")
    assert ending.code == 0
    assert [request.start.image for request in client.requests if request.start] == [
        Path(name).read_bytes() for name in ("fox.png", "owl.png")
    ]
    for request in client.requests:
        assert (request.recipe, request.prompt, request.seed) == ("process", "", 0)
        assert (request.enlarge, request.faces, request.background) == (
            Enlarge(scale=4),
            (Faces(restorer="GFPGAN"),),
            Background(),
        )
    folder = Path("outputs/extras-images") / date.today().isoformat()
    assert {Path(line).parent for line in ending.lines} == {folder}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], Enlarge()),
        (["--scale", "4", "--upscaler", "Nearest"], Enlarge(scale=4, upscaler="Nearest")),
        (["--size", "512x0"], Enlarge(width=512)),
        (["--size", "512x768", "--whole"], Enlarge(width=512, height=768, crop=False)),
        (
            ["--second", "Nearest", "--second-share", "0.5", "--tile", "0"],
            Enlarge(second="Nearest", second_share=0.5, tile=0),
        ),
    ],
)
def test_enlarge(easel: Easel, client: ScriptedClient, arguments: list[str], expected: Enlarge) -> None:
    assert easel("enlarge", "fox.png", *arguments, "--out", "big.png").lines == ["big.png"]
    assert client.requests[0].enlarge == expected


def test_faces(easel: Easel, client: ScriptedClient) -> None:
    assert easel("faces", "fox.png", "-r", "CodeFormer", "--visibility", "0.8", "--fidelity", "0.9").code == 0
    assert client.requests[0].faces == (Faces(restorer="CodeFormer", visibility=0.8, fidelity=0.9),)


def test_cutout(easel: Easel, client: ScriptedClient) -> None:
    assert easel("cutout", "fox.png", "--colour", "white", "--tolerance", "20", "--feather", "2", "--holes").code == 0
    assert easel("cutout", "fox.png", "--behind", "owl.png").code == 0
    assert easel("cutout", "fox.png", "-m", "u2net", "--mask-only", "--out", "mask.jpg").code == 0
    assert [request.background for request in client.requests] == [
        Background(colour="#ffffff", tolerance=20, feather=2, holes=True),
        Background(image=Path("owl.png").read_bytes()),
        Background(model="u2net", mask_only=True),
    ]


def test_detail_speaks_the_words_of_the_picture(easel: Easel, client: ScriptedClient) -> None:
    assert easel("detail", "fox.png", "--detail", "face", "--steps", "8").code == 0
    assert easel("detail", "fox.png", "an owl", "--detail", "by=faces").code == 0
    assert easel("detail", "owl.png", "--detail", "beak").code == 0
    first, second, third = client.requests
    assert (first.recipe, first.prompt, first.steps, first.details) == (
        "detail",
        "a red fox",
        8,
        (Detail(find="face"),),
    )
    assert (second.prompt, third.prompt) == ("an owl", "")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["process", "fox.png"], "what to do is None, allowed is --enlarge, --faces or --background"),
        (["process", "none.png", "--enlarge", "2"], "FILE is 'none.png', allowed is a file that can be read"),
        (["enlarge", "fox.png", "--scale", "2", "--size", "64"], "--size is '64', allowed is given without --scale."),
        (["enlarge", "fox.png", "--whole"], "--whole is True, allowed is given together with --size."),
        (["enlarge", "fox.png", "--second-share", "1"], "--second-share is 1.0, allowed is given together with"),
        (["enlarge", "fox.png", "--size", "0"], "--size is '0', allowed is at least one side above 0."),
        (["enlarge", "fox.png", "--upscaler", "Lanzos"], "nearest 'Lanczos'"),
        (["enlarge", "fox.png", "owl.png", "--out", "one.png"], "--out"),
        (["cutout", "fox.png", "--out", "fox.jpg"], "--out is 'fox.jpg', allowed is a .png or .webp file"),
        (["cutout", "fox.png", "--colour", "red", "--behind", "owl.png"], "given without --colour"),
        (["cutout", "fox.png", "--tolerance", "101"], "--background tolerance is 101.0, allowed is at most 100."),
        (["detail", "fox.png"], "--detail is None, allowed is what to look for; for example --detail face."),
    ],
)
def test_trouble_is_one_line(easel: Easel, client: ScriptedClient, arguments: list[str], line: str) -> None:
    ending = easel(*arguments)
    assert (ending.code, ending.out, client.requests) == (2, "", [])
    assert line in ending.err
    assert ending.err.count("\n") == 1


@pytest.mark.parametrize("command", ["process", "enlarge", "faces", "cutout", "detail"])
def test_help(easel: Easel, command: str) -> None:
    assert "FILE" in easel(command, "--help").out


def test_upscalers_of_files_are_listed(easel: Easel, home: Path) -> None:
    folder = home / "models" / "upscalers"
    folder.mkdir(parents=True)
    (folder / "4x-mine.pth").write_bytes(b"not read for a list")
    assert any("4x-mine" in line and "pixels" in line for line in easel("models", "upscalers").lines)
    assert '"4x-mine"' in easel("models", "upscalers", "--json").out


def test_before_the_real_engine(easel: Easel) -> None:
    drawn = easel(
        "txt2img", "a fox", "--steps", "2", "--seed", "1", "--size", "64", "--out", "drawn.png",
        "--control", "fox.png,preprocessor=canny,model=starter-edges", "--detail", "face", "--enlarge", "2",
    )  # fmt: skip
    assert drawn.lines == ["drawn.png"], drawn.err
    assert easel("enlarge", "drawn.png", "--scale", "4", "--upscaler", "starter-x4", "--out", "large.png").code == 0
    assert easel("cutout", "fox.png", "--out", "cut.webp").code == 0
    with Image.open("drawn.png") as small, Image.open("large.png") as large, Image.open("cut.webp") as cut:
        assert (small.size, large.size, cut.mode) == ((128, 128), (512, 512), "RGBA")
        assert "starter-edges" in small.text["parameters"]  # type: ignore[attr-defined]
