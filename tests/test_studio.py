"""A Studio's methods: their words reach the request, and pictures may come in any form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from easel.core.control import Control
from easel.core.detail import Detail
from easel.core.errors import BadValue, UnknownName
from easel.core.finishing import Background, Enlarge, Faces
from easel.core.motion import Motion
from easel.core.pictures import Soft
from easel.core.request import Request
from easel.core.settings import read_settings
from easel.media.reading import open_image, png_bytes
from easel.studio import Studio
from tests.cli.scripted import ScriptedClient


class Settling(ScriptedClient):
    """Draws seeds where none were given, as every real client does."""

    def submit(self, request: Request) -> str:
        return super().submit(request.settled())


@pytest.fixture
def client() -> ScriptedClient:
    return Settling()


@pytest.fixture
def studio(client: ScriptedClient) -> Studio:
    return Studio(client, "tiny")


def picture() -> Image.Image:
    return Image.fromarray(numpy.random.default_rng(0).integers(0, 256, (24, 40, 3), numpy.uint8))


def test_words_of_text_to_image(studio: Studio, client: ScriptedClient) -> None:
    studio.text_to_image("a fox", cfg_scale=3, cfg_rescale=0.5, cfg_start=0.1, sampler_options=None, seamless="x")
    (request,) = client.requests
    assert (request.model, request.recipe, request.seamless) == ("tiny", "text_to_image", "x")
    guidance = request.guidance
    assert (guidance.scale, guidance.rescale, guidance.start, guidance.end) == (3, 0.5, 0.1, 1)


def test_a_clip_is_a_batch_with_motion(studio: Studio, client: ScriptedClient) -> None:
    motion = Motion(model="mm", fps=12)
    for said in (motion, {"model": "mm", "fps": 12}):
        assert len(studio.text_to_image("a fox", motion=said, batch_size=4)) == 4
    studio.image_to_image("a fox", picture(), motion="mm", batch_size=2)
    assert [request.motion for request in client.requests] == [motion, motion, Motion(model="mm")]


def test_several_prompts(studio: Studio, client: ScriptedClient) -> None:
    assert len(studio.image_to_image(["a fox", "an owl"], picture(), seed=1)) == 2
    assert [request.prompt for request in client.requests] == ["a fox", "an owl"]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "CMYK", "1", "I;16"])
def test_pictures_of_pillow(studio: Studio, client: ScriptedClient, mode: str) -> None:
    image = picture().convert(mode) if mode != "I;16" else Image.fromarray(numpy.zeros((24, 40), numpy.uint16))
    studio.image_to_image("a fox", image)
    assert client.requests[0].start is not None
    assert open_image(client.requests[0].start.image, "x").size == (40, 24)


def test_paths_and_bytes(studio: Studio, client: ScriptedClient, tmp_path: Path) -> None:
    data = png_bytes(picture())
    (tmp_path / "fox.png").write_bytes(data)
    for form in (data, tmp_path / "fox.png", str(tmp_path / "fox.png")):
        studio.image_to_image("a fox", form)
    assert {request.start.image for request in client.requests if request.start} == {data}
    with pytest.raises(BadValue, match=r"image is 'nowhere\.png', allowed is a file that can be read"):
        studio.image_to_image("a fox", "nowhere.png")


def test_words_of_the_others(studio: Studio, client: ScriptedClient) -> None:
    mask = Image.new("L", (40, 24), 255)
    studio.image_to_image("a", picture(), strength=0.4, resize="crop and resize", extra_noise=0.1, steps=7)
    studio.inpaint("b", picture(), mask, strength=1.0, fill="fill", blur=2.0, soft=Soft(contrast=2))
    studio.inpaint("b", picture())
    studio.outpaint("c", picture(), left=8, feather=0, strength=0.9)
    first, second, third, fourth = client.requests
    assert first.start is not None
    assert (first.start.strength, first.start.resize, first.start.extra_noise, first.steps) == (
        0.4,
        "crop and resize",
        0.1,
        7,
    )
    assert second.mask is not None and second.mask.soft is not None and second.mask.image == png_bytes(mask)
    assert (second.mask.fill, second.mask.blur, second.mask.soft.contrast) == ("fill", 2, 2)
    assert third.mask is not None and third.mask.image is None
    assert fourth.outpaint is not None and (fourth.outpaint.left, fourth.outpaint.feather) == (8, 0)
    assert [request.recipe for request in client.requests] == ["image_to_image", "inpaint", "inpaint", "outpaint"]


def test_sketches(studio: Studio, client: ScriptedClient) -> None:
    strokes: list[dict[str, Any]] = [{"points": [[4, 8], [28, 8]], "colour": "red", "width": 4}]
    studio.sketch("a", strokes, width=32, height=16, paper="blue")
    studio.sketch("a", strokes, on=picture(), inpaint=True, blur=1.0)
    blank, drawn = client.requests
    assert blank.start is not None and open_image(blank.start.image, "x").getpixel((0, 0)) == (0, 0, 255)
    assert drawn.recipe == "inpaint" and drawn.mask is not None and drawn.mask.blur == 1
    with pytest.raises(BadValue, match="width is None"):
        studio.sketch("a", strokes)
    with pytest.raises(BadValue, match="stroke 1: width"):
        studio.sketch("a", [{**strokes[0], "width": -1}], width=32, height=16)


def test_unknown_words_are_refused(studio: Studio) -> None:
    with pytest.raises(UnknownName, match="request field 'setps' is not known; nearest"):
        studio.text_to_image("a fox", setps=4)  # type: ignore[call-arg]
    with pytest.raises(UnknownName, match="blur"):
        studio.image_to_image("a fox", picture(), blur=4)  # type: ignore[call-arg]


def test_upscale(studio: Studio, client: ScriptedClient) -> None:
    studio.upscale("a fox", picture(), scale=3, overlap=16, width=64, height=64)
    (request,) = client.requests
    assert (request.recipe, request.width) == ("tiled_upscale", 64)
    assert request.tiles is not None
    assert (request.tiles.scale, request.tiles.overlap) == (3, 16)
    assert request.start is not None
    assert request.start.strength == 0.3


def test_grids(studio: Studio, client: ScriptedClient) -> None:
    sheets = studio.grid("a fox", x="Steps=2,3", y="Seed=4-6", z="CFG Scale=1,2", seed=9)
    assert len(sheets) == 2
    assert len(client.requests) == 12
    assert "X Type: Steps" in sheets[0].infotext
    studio.grid("a fox", x="Denoising=0.2,0.8", start=picture())
    assert [request.start.strength for request in client.requests[12:] if request.start] == [0.2, 0.8]
    (sheet,) = studio.matrix("a fox|red|big")
    assert len(client.requests) == 18
    assert sheet.image.width > 128


def test_styles_and_choices(client: ScriptedClient, tmp_path: Path) -> None:
    (tmp_path / "styles.csv").write_text("name,prompt,negative_prompt\nSnow,{prompt} in snow,\n")
    studio = Studio(client, "starter", read_settings(styles=tmp_path / "styles.csv"))
    studio.text_to_image("a {red|blue} fox", styles=["Snow"], batch_size=4, seed=1)
    assert {request.prompt for request in client.requests} == {"a red fox in snow", "a blue fox in snow"}


def test_parts_beside_the_words(studio: Studio, client: ScriptedClient, tmp_path: Path) -> None:
    picture().save(tmp_path / "fox.png")
    file = (tmp_path / "fox.png").read_bytes()
    units = [{"image": tmp_path / "fox.png", "model": "edges", "preprocessor": "canny"}, Control(preprocessor="tile")]
    prompts = [{"images": tmp_path / "fox.png", "model": "near"}, {"images": [file, picture()], "model": "near"}]
    studio.text_to_image("a", controls=units, image_prompts=prompts, details="face", enlarge=4, faces="GFPGAN")
    (request,) = client.requests
    assert request.controls == (Control(image=file, model="edges", preprocessor="canny"), Control(preprocessor="tile"))
    assert [len(one.images) for one in request.image_prompts] == [1, 2]
    assert request.image_prompts[0].images == (file,)
    assert request.details == (Detail(find="face"),)
    assert request.enlarge == Enlarge(scale=4)
    assert request.faces == (Faces(restorer="GFPGAN"),)
    with pytest.raises(BadValue, match=r"controls\[1\]\.image is 'nowhere\.png', allowed is a file that can be read"):
        studio.text_to_image("a", controls=[units[1], {"image": "nowhere.png"}])
    with pytest.raises(BadValue, match=r"controls\[0\] is 'fox\.png', allowed is named values"):
        studio.text_to_image("a", controls=["fox.png"])  # type: ignore[list-item]


def test_details_hold_parts_of_their_own(studio: Studio, client: ScriptedClient) -> None:
    eyes = {"find": "eyes", "faces": "CodeFormer", "controls": [{"image": picture(), "model": "edges"}]}
    mask = {"by": "mask", "mask": picture().convert("L")}
    studio.detail(picture(), details=["face", eyes, mask, Detail(find="tail")], prompt="a fox", steps=8)
    (request,) = client.requests
    assert (request.recipe, request.prompt, request.steps) == ("detail", "a fox", 8)
    first, second, third, fourth = request.details
    assert (first, fourth) == (Detail(find="face"), Detail(find="tail"))
    assert second.faces == Faces(restorer="CodeFormer")
    assert second.controls[0].image == png_bytes(picture())
    assert third.mask == png_bytes(picture().convert("L"))


def test_finished_pictures_are_worked_on(studio: Studio, client: ScriptedClient) -> None:
    assert len(studio.process([picture(), picture()], enlarge={"scale": 3}, background="#ffffff")) == 2
    studio.enlarge(picture(), 4, "Nearest", tile=0)
    studio.cut_out(picture(), image=picture(), feather=2)
    both, large, cut = client.requests[0], client.requests[2], client.requests[3]
    assert {request.recipe for request in client.requests} == {"process"}
    assert (both.enlarge, both.background) == (Enlarge(scale=3), Background(colour="#ffffff"))
    assert large.enlarge == Enlarge(scale=4, upscaler="Nearest", tile=0)
    assert cut.background == Background(image=png_bytes(picture()), feather=2)
