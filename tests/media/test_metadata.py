"""Infotext in real PNG, JPEG and WebP files: written, read, cut short, too large, foreign."""

from __future__ import annotations

import io
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from easel.core.errors import BadValue, StorageError, UnknownName
from easel.core.limits import MAX_PROMPT
from easel.media.metadata import EXIF_FOLDER, FORMATS, USER_COMMENT, PictureFile, encode, read_picture_file

TEXT = "a red fox, (snow:1.2)\nNegative prompt: ugly\nSteps: 20, Sampler: Euler a, CFG scale: 7.0, Seed: 1, Size: 24x16"
KOREAN = TEXT.replace("a red fox", "눈 속의 붉은 여우 🦊")


def noise(width: int = 24, height: int = 16) -> Image.Image:
    return Image.effect_noise((width, height), 90).convert("RGB")


def read(data: bytes) -> PictureFile:
    return read_picture_file(io.BytesIO(data))


@pytest.mark.parametrize("text", [TEXT, KOREAN, "x", "é", ""], ids=["latin", "korean", "letter", "accent", "empty"])
@pytest.mark.parametrize("format", FORMATS)
def test_what_is_written_is_read(format: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(encode(noise(), text, format=format))
    assert read_picture_file(path) == PictureFile(format, 24, 16, text or None)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(list(FORMATS)), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50))
def test_any_text_comes_back(format: str, text: str) -> None:
    text = f"{text}Steps: 20"
    assert read(encode(Image.new("RGB", (8, 8)), text, format=format)).infotext == text


def test_png_uses_text_for_latin_letters_and_international_text_for_others() -> None:
    assert b"tEXtparameters\0a red fox" in encode(noise(), TEXT)
    assert b"iTXtparameters\0" in encode(noise(), KOREAN)


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_exif_is_laid_out_as_piexif_does(format: str) -> None:
    data = encode(noise(), KOREAN, format=format)
    assert b"MM\0*" in data
    assert b"UNICODE\0" + KOREAN.encode("utf-16-be") in data


@pytest.mark.parametrize("format", FORMATS)
def test_pixels_survive_beside_the_text(format: str) -> None:
    image = Image.new("RGB", (16, 16), (200, 40, 90))
    with Image.open(io.BytesIO(encode(image, TEXT, format=format, quality=100))) as again:
        found = again.convert("RGB").getpixel((8, 8))
    assert isinstance(found, tuple)
    assert all(abs(a - b) <= (0 if format == "png" else 3) for a, b in zip(found, (200, 40, 90), strict=True))


def test_jpeg_drops_alpha() -> None:
    assert read(encode(Image.new("RGBA", (8, 8)), TEXT, format="jpg")).infotext == TEXT


@pytest.mark.parametrize("format", FORMATS)
def test_what_no_file_can_hold_is_replaced(format: str) -> None:
    assert read(encode(noise(), "a\udc80b\0c \ud800: 1", format=format)).infotext == "a\ufffdb\ufffdc \ufffd: 1"


@pytest.mark.parametrize("format", ["png", "webp"])
@pytest.mark.parametrize("letter", ["x", "여"])
def test_a_huge_infotext_is_kept(format: str, letter: str) -> None:
    text = "a: " + letter * 3_000_000
    assert read(encode(noise(), text, format=format)).infotext == text


def test_an_infotext_too_long_for_jpeg_is_refused_and_the_longest_is_kept() -> None:
    for letter in "x여":
        with pytest.raises(BadValue, match=r"at most \d+ characters in a JPEG; use PNG or WebP") as caught:
            encode(noise(), letter * 70_000, format="jpeg")
        room = int(caught.value.allowed.split()[2])
        assert room > (65_000 if letter == "x" else 32_000)
        assert read(encode(noise(), letter * room, format="jpeg")).infotext == letter * room
        with pytest.raises(BadValue, match="in a JPEG"):
            encode(noise(), letter * (room + 1), format="jpeg")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("letter", ["x", "여"])
def test_the_longest_prompt_is_kept_in_every_format(format: str, letter: str) -> None:
    text = f"{letter * MAX_PROMPT}\n{KOREAN}"
    assert read(encode(noise(), text, format=format)).infotext == text


def test_two_longest_prompts_in_a_jpeg_are_kept_in_ascii() -> None:
    text = f"{'x' * MAX_PROMPT}\nNegative prompt: {'y' * MAX_PROMPT}\nSteps: 20, Seed: 1, Size: 24x16"
    assert read(encode(noise(), text, format="jpeg")).infotext == text


def test_other_texts_of_a_png_come_along() -> None:
    chunks = PngInfo()
    chunks.add_text("prompt", '{"3": {}}')
    chunks.add_itxt("workflow", "여우")
    chunks.add_text("parameters", TEXT)
    file = io.BytesIO()
    noise().save(file, "PNG", pnginfo=chunks)
    found = read(file.getvalue())
    assert (found.infotext, found.texts) == (TEXT, {"prompt": '{"3": {}}', "workflow": "여우"})


def test_what_comfyui_writes_in_a_webp_comes_along() -> None:
    exif = Image.Exif()
    exif[0x0110], exif[0x010F] = 'prompt:{"3": {}}', 'workflow:{"nodes": []}'
    file = io.BytesIO()
    noise().save(file, "WEBP", exif=exif)
    found = read(file.getvalue())
    assert (found.infotext, found.texts) == (None, {"prompt": '{"3": {}}', "workflow": '{"nodes": []}'})


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.9])
def test_a_truncated_file_is_refused_in_one_line(format: str, share: float, tmp_path: Path) -> None:
    data = encode(noise(128, 128), TEXT, format=format)
    path = tmp_path / "cut.bin"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BadValue, match=r"cut\.bin is .*allowed is a whole PNG, JPEG or WebP picture") as caught:
        read_picture_file(path)
    assert "\n" not in caught.value.message


def test_other_files_and_missing_ones_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "words.png"
    text.write_text("no picture")
    gif = io.BytesIO()
    noise().save(gif, "GIF")
    with pytest.raises(BadValue, match="not such a picture"):
        read_picture_file(text)
    with pytest.raises(BadValue, match="not such a picture"):
        read(gif.getvalue())
    with pytest.raises(StorageError, match=r"cannot read .*missing\.png: No such file"):
        read_picture_file(tmp_path / "missing.png")
    with pytest.raises(StorageError, match="cannot read"):
        read_picture_file(tmp_path)
    with pytest.raises(StorageError, match="cannot read"):
        read_picture_file(Path("nul\0.png"))


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_a_picture_too_large_to_decode_is_refused(side: int) -> None:
    small = encode(Image.new("1", (8, 8)))
    header = b"IHDR" + side.to_bytes(4, "big") * 2 + small[24:29]
    with pytest.raises(BadValue, match=r"pixels|bomb"):
        read(small[:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:])


def test_a_compressed_text_that_grows_without_bound_is_refused() -> None:
    chunks = PngInfo()
    chunks.add_text("parameters", "x" * 50_000_000, zip=True)
    file = io.BytesIO()
    noise().save(file, "PNG", pnginfo=chunks)
    with pytest.raises(BadValue, match="too large"):
        read(file.getvalue())


@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + TEXT.encode("utf-16-le"),
        b"UNICODE\0" + KOREAN.encode("utf-16-le"),
        b"UNICODE\0" + KOREAN.encode("utf-16"),
        b"ASCII\0\0\0" + TEXT.encode(),
        b"\0" * 8 + KOREAN.encode(),
        KOREAN.encode(),
    ],
)
def test_comments_of_other_writers_are_read(comment: bytes) -> None:
    exif = Image.Exif()
    exif.get_ifd(EXIF_FOLDER)[USER_COMMENT] = comment
    file = io.BytesIO()
    noise().save(file, "JPEG", exif=exif)
    found = read(file.getvalue()).infotext
    assert found in (TEXT, KOREAN)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0nonsense" * 9])
def test_broken_exif_is_no_infotext(exif: bytes) -> None:
    file = io.BytesIO()
    noise().save(file, "JPEG", exif=exif)
    assert read(file.getvalue()).infotext is None


def test_unknown_formats_sizes_and_qualities_are_refused() -> None:
    with pytest.raises(UnknownName, match="picture format 'jepg' is not known; nearest 'jpeg'"):
        encode(noise(), format="jepg")
    with pytest.raises(BadValue, match="16383"):
        encode(Image.new("L", (20_000, 1)), format="webp")
    with pytest.raises(BadValue, match="quality"):
        encode(noise(), format="jpeg", quality=0)


def test_files_are_handled_without_torch() -> None:
    code = "import easel.media.metadata, easel.media.images, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
