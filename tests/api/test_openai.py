"""OpenAI's images API as its own client speaks it: by base_url alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI
from PIL import Image

from easel.api.openai_wire import ONLY, Edit, Generation, Variation, read, request_of
from easel.api.users import new_key
from easel.core.errors import BadValue, EaselError, RequestError, UnknownName, Unsupported
from easel.core.request import Request
from easel.media.metadata import infotext_of
from tests.api.dialects import serving
from tests.jobs.playing import Player


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A server that asks for no names."""
    with serving(tmp_path_factory.mktemp("openai"), Player(pace=0.005)) as served:
        yield served.url


@pytest.fixture
def client(url: str) -> Generator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as found:
        yield found


def png(mode: str = "RGB", colour: Any = (90, 0, 0), size: tuple[int, int] = (64, 48)) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, "PNG")
    return file.getvalue()


def with_hole() -> bytes:
    image = Image.new("RGBA", (64, 48), (90, 0, 0, 255))
    image.paste((0, 0, 0, 0), (8, 8, 24, 24))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def opened(text: str | None) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text or "")))


def test_pictures_come_as_base64(client: OpenAI) -> None:
    found = client.images.generate(prompt="a fox", n=2, size="64x48", extra_body={"easel": {"seed": 7}})
    assert found.data is not None and found.created > 0 and found.output_format == "png"
    assert [infotext_of(opened(one.b64_json)) for one in found.data] == ["Seed: 7", "Seed: 8"]


def test_pictures_come_by_address(client: OpenAI) -> None:
    found = client.images.generate(prompt="a fox", n=2, response_format="url")
    assert found.data is not None and len(found.data) == 2
    for one in found.data:
        assert one.b64_json is None and one.url
        assert Image.open(io.BytesIO(httpx2.get(one.url).content)).format == "PNG"


def test_pictures_come_in_another_format(client: OpenAI) -> None:
    found = client.images.generate(prompt="a fox", output_format="webp", output_compression=50)
    assert found.data is not None and opened(found.data[0].b64_json).format == "WEBP"


def test_partial_images_are_streamed_and_then_the_picture(client: OpenAI) -> None:
    stream = client.images.generate(
        prompt="a fox", stream=True, partial_images=2, output_format="jpeg", extra_body={"easel": {"steps": 6}}
    )
    events = list(stream)
    assert [event.type for event in events] == [
        "image_generation.partial_image", "image_generation.partial_image", "image_generation.completed",
    ]  # fmt: skip
    assert [event.partial_image_index for event in events if event.type == "image_generation.partial_image"] == [0, 1]
    assert all(opened(event.b64_json).format == "JPEG" for event in events)
    last = events[-1]
    assert last.type == "image_generation.completed" and last.usage.total_tokens == 0 and last.size == "16x8"


def test_a_stream_of_an_edit_ends_with_each_picture(client: OpenAI) -> None:
    events = list(client.images.edit(image=("a.png", png()), prompt="in snow", stream=True, n=2))
    assert [event.type for event in events] == ["image_edit.completed"] * 2


def test_a_drawing_that_fails_is_told_in_the_stream(client: OpenAI) -> None:
    with pytest.raises(openai.APIError, match="smaller picture"):
        list(client.images.generate(prompt="fail", stream=True))


def test_edits_and_variations_take_files(client: OpenAI) -> None:
    whole = client.images.edit(image=("a.png", png()), prompt="in snow", size="64x48", n=2)
    assert whole.data is not None and len(whole.data) == 2
    listed = client.images.edit(image=[("a.png", png())], prompt="in snow")
    assert listed.data is not None and len(listed.data) == 1
    masked = client.images.edit(image=("a.png", png()), mask=("m.png", with_hole()), prompt="a window")
    assert masked.data is not None and len(masked.data) == 1
    with pytest.deprecated_call():
        varied = client.images.create_variation(image=("a.png", png()), n=2)
    assert varied.data is not None and len(varied.data) == 2


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"n": 11}, "n", "at most 10"),
        ({"size": "large"}, "size", "WIDTHxHEIGHT"),
        ({"size": "65x48"}, "size", "multiple of 8"),
        ({"quality": "high"}, None, "quality"),
        ({"background": "transparent"}, None, "background"),
        ({"style": "vivid"}, None, "style"),
        ({"prompt": " "}, "prompt", "words"),
        ({"extra_body": {"no_such": 1}}, "parameter", "no_such"),
        ({"extra_body": {"easel": {"stepps": 1}}}, "request field", "steps"),
        ({"partial_images": 2}, "partial_images", "stream"),
    ],
)
def test_what_is_wrong_is_told_in_their_shape(client: OpenAI, fields: dict[str, Any], param: Any, said: str) -> None:
    with pytest.raises(openai.BadRequestError, match=said) as caught:
        client.images.generate(**{"prompt": "a fox", **fields})
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", param)


def test_a_model_that_is_not_there_is_not_another(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="gpt-image-2") as caught:
        client.images.generate(prompt="a fox", model="gpt-image-2")
    assert caught.value.code == "model_not_found"
    assert client.images.generate(prompt="a fox", model="starter").data


def test_failures_have_their_status(client: OpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match="smaller picture") as caught:
        client.images.generate(prompt="fail")
    assert caught.value.status_code == 503 and caught.value.type == "server_error"


@pytest.mark.parametrize("files", [{}, {"image": b""}, {"image": b"no picture"}, {"pony": b"x"}])
def test_files_that_cannot_be_used_are_refused(url: str, files: dict[str, bytes]) -> None:
    answer = httpx2.post(f"{url}/v1/images/edits", data={"prompt": "a fox"}, files=files or {"other": b"x"})
    assert answer.status_code == 400 and answer.json()["error"]["message"]


def test_a_body_that_is_no_object_is_refused(url: str) -> None:
    for body in (b"{", b"[]", b"", b"1"):
        answer = httpx2.post(f"{url}/v1/images/generations", content=body)
        assert answer.status_code == 400 and "body" in answer.json()["error"]["message"]


def test_a_key_opens_the_door(tmp_path: Path) -> None:
    key, secret = new_key("ann")
    with serving(tmp_path, Player(), [secret]) as served:
        with OpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=0) as known:
            assert known.images.generate(prompt="a fox").data
        assert [job.user for job in served.store.list()] == ["ann"]
        with (
            OpenAI(base_url=f"{served.url}/v1", api_key="wrong", max_retries=0) as stranger,
            pytest.raises(openai.AuthenticationError),
        ):
            stranger.images.generate(prompt="a fox")


def asked(**fields: Any) -> Request:
    return request_of(read(Generation, {"prompt": "a fox", **fields}))


def test_words_become_a_request() -> None:
    request = asked(model="starter", n=3, size="128x96", stream=True, partial_images=1, user="me", moderation="low")
    assert (request.prompt, request.model, request.batch_size) == ("a fox", "starter", 3)
    assert (request.width, request.height, request.preview_every) == (128, 96, 1)
    silent = asked(size=None, n=None, quality="auto")
    assert (silent.width, silent.steps, silent.guidance.scale, silent.preview_every) == (None, None, None, 0)
    own = asked(easel={"steps": 9, "guidance": {"scale": 3}, "negative_prompt": "fog"})
    assert (own.steps, own.guidance.scale, own.negative_prompt) == (9, 3, "fog")


def test_pictures_become_a_start_and_a_mask() -> None:
    edit = read(Edit, {"prompt": "a window", "size": "64x48"})
    whole = request_of(edit, png())
    assert whole.recipe == "image_to_image" and whole.start is not None and whole.mask is None
    holed = request_of(edit, with_hole())
    assert holed.recipe == "inpaint" and holed.mask is not None and holed.mask.image is None
    masked = request_of(edit, png(), with_hole())
    assert masked.mask is not None and masked.start is not None
    assert (masked.mask.channel, masked.mask.invert, masked.start.strength) == ("alpha", True, 1.0)
    stronger = request_of(read(Edit, {"prompt": "x", "easel": {"start": {"strength": 0.2}}}), png())
    assert stronger.start is not None and stronger.start.strength == 0.2 and stronger.start.image == png()
    varied = request_of(read(Variation, {}), png())
    assert varied.recipe == "image_to_image" and varied.prompt == ""
    with pytest.raises(BadValue, match="mask"):
        request_of(edit, png(), png("RGBA", (0, 0, 0, 255)))


@pytest.mark.parametrize("field", ONLY)
def test_what_they_have_and_we_have_not_is_refused_by_name(field: str) -> None:
    kind = Edit if field == "input_fidelity" else Generation
    value = 7 if field.startswith("frame") else "other"
    with pytest.raises((Unsupported, UnknownName), match=field):
        request_of(read(kind, {"prompt": "a fox", field: value}))


JSON = st.none() | st.booleans() | st.integers(-5, 5000) | st.text(max_size=9) | st.dictionaries(st.text(), st.none())


@given(st.dictionaries(st.sampled_from([*Generation.model_fields, "other"]), JSON, max_size=5))
def test_any_body_makes_a_request_or_one_clear_line(body: dict[str, Any]) -> None:
    try:
        request = request_of(read(Generation, {"prompt": "a fox", **body}))
    except EaselError as error:
        assert isinstance(error, RequestError) and "\n" not in error.message
    else:
        assert request.seed is not None
