"""How control, picture prompts, details and finishing are typed: any part can be said, and trouble is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from easel.cli.spelled import SPELLINGS, spelled
from easel.core.control import Control, ImagePrompt
from easel.core.detail import Detail
from easel.core.finishing import Background, Enlarge, Faces
from tests.cli.conftest import Easel
from tests.cli.scripted import ScriptedClient

words = st.text(st.characters(codec="utf-8", exclude_characters=",;=\r\n"), min_size=1, max_size=12).map(str.strip)


@pytest.fixture
def fox(home: Path) -> bytes:
    Image.linear_gradient("L").resize((48, 40)).convert("RGB").save(home / "fox, red.png")
    return (home / "fox, red.png").read_bytes()


@given(words.filter(bool), st.lists(words, max_size=4), st.floats(0, 1))
def test_values_may_hold_commas(find: str, prompt: list[str], strength: float) -> None:
    said = ", ".join(filter(None, prompt))
    found = Detail(**spelled("details", f"{find},prompt={said};strength={strength}"))
    assert (found.find, found.prompt, found.strength) == (find, said, strength)


def test_every_field_of_a_part_can_be_typed() -> None:
    for spelling in SPELLINGS.values():
        said = {*spelling.names, *spelling.again.values(), *spelling.left_out}
        assert said >= set(spelling.value.model_fields)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("face", Detail(find="face")),
        ("words=hands", Detail(find="hands")),
        (
            "detector=hand_yolov8n,class=0,class=person",
            Detail(by="model", find="hand_yolov8n", classes=("0", "person")),
        ),
        (
            "by=faces,faces.restorer=GFPGAN,faces.visibility=0.5",
            Detail(by="faces", faces=Faces(restorer="GFPGAN", visibility=0.5)),
        ),
        ("eyes,faces=CodeFormer", Detail(find="eyes", faces=Faces(restorer="CodeFormer"))),
        (
            "sign,prompt=a sign, red, [SEP] a flag,width=512,only_masked=false",
            Detail(find="sign", prompt="a sign, red, [SEP] a flag", width=512, only_masked=False),
        ),
        ("hat,components.vae=840000", Detail(find="hat", components={"vae": "840000"})),
    ],
)
def test_details(easel: Easel, client: ScriptedClient, text: str, expected: Detail) -> None:
    assert easel("txt2img", "a fox", "--detail", text, "--detail", "tail").code == 0
    assert client.requests[0].details == (expected, Detail(find="tail"))


def test_controls(easel: Easel, client: ScriptedClient, fox: bytes) -> None:
    first = (
        "fox, red.png,model=starter-edges,preprocessor=canny,weight=0.8,options.low=50,block=1,block=0.5,resize=fill"
    )
    second = "preprocessor=tile,end=0.6,mode=prompt,region=fox, red.png"
    ending = easel("img2img", "fox, red.png", "a wolf", "--control", first, "--control", second)
    assert (ending.code, ending.err.count("error")) == (0, 0)
    options = {"model": "starter-edges", "preprocessor": "canny", "options": {"low": 50}, "weight": 0.8}
    assert client.requests[0].controls == (
        Control(image=fox, blocks=(1, 0.5), resize="resize and fill", **options),
        Control(preprocessor="tile", end=0.6, mode="prompt", region=fox),
    )


def test_picture_prompts(easel: Easel, client: ScriptedClient, fox: bytes) -> None:
    said = "fox, red.png,image=fox, red.png,model=starter-picture,weight=0.7,each=1,each=0.5,combine=average"
    assert easel("txt2img", "a fox", "--picture", said).code == 0
    assert client.requests[0].image_prompts == (
        ImagePrompt(images=(fox, fox), model="starter-picture", weight=0.7, weights=(1, 0.5), combine="average"),
    )


def test_pictures_alone_may_lead(easel: Easel, client: ScriptedClient, fox: bytes) -> None:
    said = "fox, red.png,model=starter-picture"
    assert easel("txt2img", "--picture", said).code == 0
    assert easel("txt2img", "", "--picture", said).code == 0
    assert easel("img2img", "fox, red.png", "", "--picture", said).code == 0
    assert [request.prompt for request in client.requests] == ["", "", ""]


def test_finishing(easel: Easel, client: ScriptedClient, fox: bytes) -> None:
    asked = ("--enlarge", "4,upscaler=Nearest", "--faces", "GFPGAN,visibility=0.5", "--background", "flat,colour=white")
    assert easel("txt2img", "a fox", *asked).code == 0
    (request,) = client.requests
    assert request.enlarge == Enlarge(scale=4, upscaler="Nearest")
    assert request.faces == (Faces(restorer="GFPGAN", visibility=0.5),)
    assert request.background == Background(colour="#ffffff")
    assert easel("txt2img", "a fox", "--background", "image=fox, red.png").code == 0
    assert client.requests[1].background == Background(image=fox)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--control", "none.png,model=x"], "--control image is 'none.png', allowed is a file that can be read"),
        (["--control", "weight=3"], "--control weight is 3, allowed is at most 2."),
        (["--control", "weigth=1"], "name in --control 'weigth' is not known; nearest 'weight'."),
        (["--control", "start=0.9,end=0.1"], "--control start is 0.9, allowed is at most its end, 0.1."),
        (["--control", "preprocessor=cany"], "preprocessor 'cany' is not known; nearest 'canny'."),
        (["--control", "preprocessor=canny,options.lwo=5"], "'lwo' is not known; nearest 'low'."),
        (["--control", "preprocessor=canny,options.low=-5"], "option low of canny is -5, allowed is"),
        (["--control", "mode=hard"], "--control mode is 'hard', allowed is 'balanced', 'prompt' or 'control'."),
        (["--control", "resize=wide"], "--control resize 'wide' is not known"),
        (["--control", "weight=1,weight=2"], "--control weight is '2', allowed is said once."),
        (["--control", "weight.more=1"], "--control weight.more is '1', allowed is said as weight=VALUE."),
        (["--picture", "model=starter-picture"], "--picture images is None, allowed is given."),
        (["--detail", "face,strength=2"], "--detail strength is 2, allowed is at most 1."),
        (["--detail", "by=mask"], "--detail mask is None, allowed is given where regions are found by a mask."),
        (["--detail", ""], "--detail is '', allowed is find first, or NAME=VALUE."),
        (["--detail", "face,sampler=Eulr"], "nearest 'Euler'"),
        (["--enlarge", "40"], "--enlarge scale is 40, allowed is at most 8."),
        (["--enlarge", "2,upscaler=Lanzos"], "upscaler 'Lanzos' is not known; nearest 'Lanczos'."),
        (["--enlarge", "2,upscaler=Latent"], "upscaler 'Latent' enlarges latents"),
        (["--faces", "visibility=1"], "--faces restorer is None, allowed is given."),
        (["--background", "flat,colour=whitte"], "--background colour is 'whitte', allowed is a colour such as red"),
    ],
)
def test_trouble_is_one_line(easel: Easel, client: ScriptedClient, arguments: list[str], line: str) -> None:
    ending = easel("txt2img", "a red fox", *arguments)
    assert (ending.code, ending.out, client.requests) == (2, "", [])
    assert line in ending.err
    assert ending.err.count("\n") == 1
