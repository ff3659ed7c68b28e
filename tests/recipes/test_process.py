"""Finished pictures made better without a model: in which order, what infotext says, and what is refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy
import pytest
from PIL import Image

from easel.core.errors import BadValue, Unsupported
from easel.core.finishing import Background, Enlarge, Faces
from easel.core.request import Request
from easel.core.result import Picture
from easel.core.work import Finish, Load, Wanted, Work
from easel.engine.local import models_of, story_of
from easel.engine.runner import perform
from easel.media.metadata import encode
from easel.media.reading import png_bytes
from easel.models.family import Model
from easel.prompt import infotext
from easel.recipes.afterwards import finished
from easel.recipes.common import check, recipes
from easel.recipes.leads import wanted_by
from tests.recipes.starting import scene
from tests.recipes.telling import ask, told


def processed(image: Image.Image | bytes | None = None, **fields: Any) -> tuple[list[Work], Picture]:
    """Process a picture as the engine would, which loads no model for it."""
    file = image if isinstance(image, bytes) else png_bytes(image or scene())
    request = Request(recipe="process", start={"image": file}, **fields).settled()  # type: ignore[arg-type]
    check(request)
    story, works, outcome = story_of(request), list[Work](), None
    while True:
        try:
            works.append(story.send(outcome))
        except StopIteration as stop:
            return works, stop.value[0]
        (outcome,) = perform([works[-1]])
        if isinstance(outcome, Exception):
            raise outcome


def test_enlarged_without_a_model() -> None:
    works, picture = processed(enlarge=Enlarge(upscaler="Nearest", scale=2))
    assert not any(isinstance(work, Load) for work in works)
    assert picture.image.tobytes() == scene().resize((128, 128), Image.Resampling.NEAREST).tobytes()
    assert models_of(Request(recipe="extras", start={"image": b"-"})) == []  # type: ignore[arg-type]


def test_the_picture_s_own_infotext_is_kept_and_added_to() -> None:
    own = "a fox, big\nNegative prompt: blue\nSteps: 4, Sampler: Euler, CFG scale: 7, Seed: 5, Size: 64x64"
    _, picture = processed(encode(scene(), own), enlarge=Enlarge(scale=1.5, second="Nearest", second_share=0.25))
    said = infotext.read(picture.infotext)
    assert (said.prompt, said.negative) == ("a fox, big", "blue")
    expected = {"Steps": "4", "Seed": "5", "Size": "64x64", "Postprocess upscale by": "1.5"}
    expected |= {"Postprocess upscaler": "Lanczos", "Postprocess upscaler 2": "Nearest"}
    expected |= {"Postprocess upscaler 2 visibility": "0.25"}
    assert {name: said.fields.get(name) for name in expected} == expected


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_a_picture_that_tells_nothing(format: str) -> None:
    _, picture = processed(encode(scene(), format=format), enlarge=Enlarge(width=100, height=80))
    said = infotext.read(picture.infotext)
    assert picture.image.size == (100, 80) and said.prompt == ""
    assert said.fields["Postprocess crop to"] == "100x80"
    assert infotext.read(processed(gif(), background=Background())[1].infotext).fields["Background model"] == "flat"


def gif() -> bytes:
    """A kind of picture that carries no infotext."""
    import io

    file = io.BytesIO()
    sticker().save(file, "GIF")
    return file.getvalue()


def sticker() -> Image.Image:
    """A disc before a plain background."""
    image = Image.new("RGB", (64, 64), (250, 250, 250))
    rows, columns = numpy.indices((64, 64))
    disc = Image.fromarray(((rows - 32) ** 2 + (columns - 32) ** 2 < 400).astype(numpy.uint8) * 255)
    image.paste((200, 30, 30), mask=disc)
    return image


def test_cut_out_before_nothing_a_colour_a_picture_or_as_a_mask() -> None:
    def cut(**fields: Any) -> Image.Image:
        return processed(sticker(), background=Background(**fields))[1].image

    clear = cut()
    assert clear.mode == "RGBA" and clear.getpixel((2, 2))[3] == 0 and clear.getpixel((32, 32))[3] == 255  # type: ignore[index]
    assert cut(colour="#0000ff").getpixel((2, 2)) == (0, 0, 255)
    assert cut(image=png_bytes(Image.new("RGB", (9, 9), "green"))).getpixel((2, 2)) == (0, 128, 0)
    assert cut(mask_only=True).mode == "L"
    ring = sticker()
    ring.paste(ring.getpixel((2, 2)), (28, 28, 36, 36))
    closed, opened = (processed(ring, background=Background(holes=holes))[1].image for holes in (False, True))
    assert [each.getpixel((32, 32))[3] for each in (closed, opened)] == [255, 0]  # type: ignore[index]
    assert cut(tolerance=100).getpixel((32, 32)) != cut(tolerance=5).getpixel((32, 32))


def order_of(request: Request) -> list[str]:
    """Return the names of the touches of a request, in the order in which they are asked for."""
    done: list[str] = []
    story, outcome = finished(request, [sticker()]), None
    while True:
        try:
            work = story.send(outcome)
        except StopIteration:
            return done
        if isinstance(work, Load):
            done.append(work.wanted.kind)
            return done
        assert isinstance(work, Finish) and isinstance(work.call, partial)
        done.append(work.call.func.__name__)
        outcome = work.call()


def test_in_which_order() -> None:
    parts: dict[str, Any] = {"faces": (Faces(restorer="GFPGAN"),), "background": Background()}
    assert order_of(ask(enlarge=Enlarge(), **parts)) == ["restorer"]
    assert order_of(ask(enlarge=Enlarge(first=True), **parts)) == ["lanczos", "restorer"]
    unseen = ask(enlarge=Enlarge(), faces=(Faces(restorer="GFPGAN", visibility=0),), background=Background())
    assert order_of(unseen) == ["lanczos", "mask_of", "cut_out"]


def test_after_any_recipe(tiny: Model) -> None:
    """Enlarged and cut out, the picture is that of the plain request, enlarged and cut out."""
    plain = told(ask(batch_size=2), tiny)[1]
    works, better = told(ask(batch_size=2, enlarge=Enlarge(scale=2)), tiny)
    assert [one.image.tobytes() for one in better] == [
        one.image.resize((128, 128), Image.Resampling.LANCZOS).tobytes() for one in plain
    ]
    said = infotext.read(better[1].infotext).fields
    assert (said["Size"], said["Seed"], said["Postprocess upscale by"]) == ("64x64", "4", "2")
    assert len(works) == len(told(ask(batch_size=2), tiny)[0]) + 3, "the pictures, and each enlarged"


def test_closed_at_every_yield_it_leaves_nothing() -> None:
    request = Request(
        recipe="process",
        start={"image": png_bytes(sticker())},  # type: ignore[arg-type]
        enlarge=Enlarge(),
        background=Background(),
        seed=1,
    )
    works, _ = processed(sticker(), enlarge=Enlarge(), background=Background())
    for stop in range(1, len(works) + 1):
        story, outcome = story_of(request), None
        for _ in range(stop):
            (outcome,) = perform([story.send(outcome)])
        story.close()
        with pytest.raises(StopIteration):
            next(story)


def test_what_it_loads_is_known_before() -> None:
    parts: dict[str, Any] = {
        "enlarge": Enlarge(upscaler="4x-nice", second="Lanczos"),
        "faces": (Faces(restorer="CodeFormer"), Faces(restorer="GFPGAN", visibility=0)),
        "background": Background(model="isnet"),
    }
    wanted = wanted_by(Request(recipe="process", start={"image": b"-"}, **parts))  # type: ignore[arg-type]
    assert [(one.kind, one.name) for one in wanted] == [
        ("upscaler", "4x-nice"),
        ("restorer", "CodeFormer"),
        ("faces", ""),
        ("background", "isnet"),
    ]
    assert Wanted("model", "starter") not in models_of(Request(recipe="process"))


ENLARGE: dict[str, Any] = {"enlarge": Enlarge()}


@pytest.mark.parametrize(
    "fields, message",
    [
        ({}, "enlarge is None, allowed is given, or faces or background"),
        ({"prompt": "a fox", **ENLARGE}, "the recipe process has no use for prompt"),
        ({"details": ({"find": "fox"},), **ENLARGE}, "the recipe process has no use for details"),
        ({"batch_size": 2, **ENLARGE}, "the recipe process has no use for batch_size"),
        ({"hires": {}, **ENLARGE}, "the recipe process has no use for hires"),
        ({"enlarge": {"upscaler": "Latent"}}, "upscaler 'Latent' enlarges latents"),
        ({"enlarge": {"width": 16384, "height": 16384}}, "enlarge."),
        ({"background": {"image": b"x"}}, "background.image is 'not such a picture'"),
    ],
)
def test_refused_without_a_model(fields: dict[str, Any], message: str) -> None:
    request = Request(**{"recipe": "process", "start": {"image": png_bytes(scene())}, **fields})
    with pytest.raises((BadValue, Unsupported)) as caught:
        check(request)
    assert message in str(caught.value)


def test_a_start_that_says_more_is_refused() -> None:
    start: dict[str, Any] = {"image": png_bytes(scene()), "match_colours": True}
    with pytest.raises(BadValue, match=r"start\.match_colours is True, allowed is left out for the recipe process"):
        check(Request(**{"recipe": "process", "start": start, **ENLARGE}))


def test_names() -> None:
    assert recipes["extras"].name == "process" and recipes["ADetailer"].name == "detail"
