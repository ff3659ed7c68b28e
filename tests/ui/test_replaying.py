"""A picture drawn again from what its file says: what is asked for, what is sent to other tabs, how two compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from easel.core.errors import BadValue, RequestError, UnknownName
from easel.core.settings import Settings
from easel.media.metadata import encode
from easel.models.library.hashing import hash_of
from easel.models.library.names import Library
from easel.ui.infocards import headline, raw, reasons, says, verdict
from easel.ui.replaying import replay_request, sendable
from easel.ui.replaying import verdict as judged
from easel.ui.told import told
from easel.ui.words import words_of
from tests.ldm import SMALL_1, random_tensors, write_ldm

SAY = words_of("en")
SIZE = (32, 24)


def infotext(**more: object) -> str:
    """Return what a picture says, with some fields besides."""
    fields = {"Steps": 4, "Sampler": "Euler", "CFG scale": 3.0, "Seed": 5, "Size": "32x24", "Model": "starter"}
    named = {name.replace("_", " "): value for name, value in more.items()}
    line = ", ".join(f"{name}: {value}" for name, value in {**fields, **named}.items())
    return f"a <b>fox</b>\nNegative prompt: blurry\n{line}"


def picture(text: str, colour: tuple[int, int, int] = (9, 99, 200), **options: Any) -> bytes:
    """Return the file of a picture that says this."""
    return encode(Image.new("RGB", SIZE, colour), text, **options)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with one small checkpoint, "renamed"."""
    folder = tmp_path_factory.mktemp("models")
    write_ldm(folder / "renamed.safetensors", random_tensors(SMALL_1, 0))
    return folder


@pytest.fixture(scope="module")
def library(models: Path) -> Library:
    return Library(Settings(models=models))


def test_the_request_is_the_recorded_one_alone(library: Library) -> None:
    request = replay_request(told(picture(infotext(Batch_size=4))), library)
    assert (request.prompt, request.negative_prompt, request.steps, request.seed) == ("a <b>fox</b>", "blurry", 4, 5)
    assert (request.width, request.height, request.batch_size, request.alone) == (32, 24, 1, True)


def test_pictures_that_it_began_from_are_asked_for(library: Library) -> None:
    found = told(picture(infotext(Recipe="inpaint", Denoising_strength=0.5, Mask_blur=4)))
    assert found.recalled is not None and found.recalled.needs == ("start", "mask")
    with pytest.raises(BadValue, match="start picture"):
        replay_request(found, library)
    start, mask = picture(""), picture("", (255, 255, 255))
    request = replay_request(found, library, start=start, mask=mask)
    assert request.start is not None and (request.start.image, request.start.strength) == (start, 0.5)
    assert request.mask is not None and request.mask.image == mask


def test_a_model_under_another_name_is_found_by_its_hash(library: Library, models: Path) -> None:
    digits = hash_of([models / "renamed.safetensors"])[:10]
    known = told(picture(infotext(Model="gone", Model_hash=digits)))
    assert replay_request(known, library).model == "renamed"
    with pytest.raises(UnknownName, match="'gone'"):
        replay_request(told(picture(infotext(Model="gone", Model_hash="0123456789"))), library)


def test_what_cannot_be_told_is_refused_with_the_reason(library: Library) -> None:
    with pytest.raises(RequestError, match='"Steps"'):
        replay_request(told(picture(infotext(Steps="many"))), library)
    with pytest.raises(RequestError, match="says nothing"):
        replay_request(told(picture("")), library)


def test_settings_go_to_other_tabs_with_the_picture_where_it_began_from_one(library: Library) -> None:
    plain, unknown = sendable(told(file := picture(infotext(Hires_upscale=2))), file, library)
    assert (plain.recipe, plain.start, unknown) == ("text_to_image", None, "")
    assert plain.hires is not None and plain.hires.scale == 2
    file = picture(infotext(Recipe="inpaint", Denoising_strength=0.5, Mask_blur=4))
    painted, _ = sendable(told(file), file, library)
    assert (painted.recipe, painted.mask) == ("image_to_image", None)
    assert painted.start is not None and (painted.start.image, painted.start.strength) == (file, 0.5)


def test_what_led_by_pictures_of_its_own_is_asked_for_and_not_sent_on(library: Library) -> None:
    unit = '"Module: canny, Model: edges [d14c016b], Weight: 0.5"'
    file = picture(infotext(ControlNet_0=unit, ADetailer_model="words: face"))
    with pytest.raises(BadValue, match=r"picture controls\.0\.image is None, .*metadata keeps no pictures"):
        replay_request(told(file), library)
    request, _ = sendable(told(file), file, library)
    assert request.controls == () and [detail.find for detail in request.details] == ["face"]


def test_a_model_that_is_not_here_is_left_out_and_named(library: Library) -> None:
    file = picture(infotext(Model="gone"))
    request, unknown = sendable(told(file), file, library)
    assert (request.model, unknown) == ("starter", "gone")


def test_equal_pictures_are_equal() -> None:
    file = picture(infotext())
    found = judged(told(file), file, picture(infotext()), infotext())
    assert found.equal
    assert headline(found, SAY) == "Equal, bit for bit: all 768 pixels."
    assert 'data-state="equal"' in verdict(found, told(file), SAY)


def test_pictures_that_differ_say_how_far_and_why() -> None:
    file = picture(infotext(Version="Easel 0.0.1", Machine="cuda", Batch_size=3))
    here = infotext(Version="Easel 9", Machine="cuda")
    found = judged(told(file), file, picture(here, (9, 99, 205)), here)
    assert not found.equal
    assert headline(found, SAY).startswith("Not equal: 768 of 768 pixels differ, at most by 5 of 255 (PSNR 38.")
    why = reasons(found, told(file), SAY)
    assert why["Version"] == "Easel 0.0.1 in the file, Easel 9 now"
    assert why["Batch"] == "Drawn with 2 others, which may change the last bits."
    assert "Machine" not in why


def test_a_lossy_file_is_held_against_the_same_losses() -> None:
    file = picture(infotext(), format="jpeg")
    found = judged(told(file), file, picture(infotext()), infotext())
    assert found.equal and headline(found, SAY).endswith("After the losses of JPEG.")


def test_other_sizes_are_told() -> None:
    file = picture(infotext())
    found = judged(told(file), file, encode(Image.new("RGB", (8, 8)), infotext()), infotext())
    assert headline(found, SAY) == "Not equal: the file has 32x24, drawn now is 8x8."
    assert reasons(found, told(file), SAY)


def test_a_strangers_words_are_escaped() -> None:
    found = told(picture(infotext(Odd_field="<img onerror=x>")))
    shown = says(found, SAY)
    assert "a &lt;b&gt;fox&lt;/b&gt;" in shown and "<b>" not in shown and "<img" not in shown
    assert "Odd field" in shown and SAY("info.ignored") in shown
    assert raw(found).startswith("a <b>fox</b>")


def test_a_silent_picture_says_so() -> None:
    found = told(picture(""))
    assert SAY("info.silent") in says(found, SAY) and raw(found) == ""


def test_both_languages_say_every_verdict() -> None:
    file = picture(infotext())
    for language in ("en", "ko"):
        say = words_of(language)
        for here in (picture("", (9, 99, 200)), picture("", (0, 0, 0))):
            assert verdict(judged(told(file), file, here, infotext()), told(file), say)
