"""Opening what people hand in: every kind of picture comes out right, and nothing broken or huge gets far."""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import Any

import numpy
import pytest
from PIL import Image

from easel.core.errors import BadValue
from easel.media.metadata import LARGEST_PICTURE
from easel.media.reading import LONGEST_SIDE, flat, open_image, png_bytes

RAMP = numpy.linspace(0, 255, 40 * 24 * 3).reshape(24, 40, 3).astype(numpy.uint8)


def file_of(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def headed(width: int, height: int) -> bytes:
    """A PNG whose header speaks of any size and whose pixels are missing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_format_opens_as_rgb(format: str) -> None:
    plain = Image.new("RGB", (20, 12), (200, 40, 90))
    found = open_image(file_of(plain, format), "start.image")
    assert (found.mode, found.size) == ("RGB", (20, 12))
    assert abs(numpy.asarray(found).astype(int) - numpy.asarray(plain)).max() <= 8


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(format: str) -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    red, green, blue = open_image(file_of(cyan, format), "start.image").getpixel((8, 8))  # type: ignore[misc]
    assert red < 60 and green > 120 and blue > 120


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(format: str) -> None:
    deep = Image.fromarray(numpy.array([[0, 257 * 100, 65535]], numpy.uint16))
    found = open_image(file_of(deep, format), "start.image")
    assert numpy.asarray(found)[0].tolist() == [[0] * 3, [100] * 3, [255] * 3]


def test_palettes_with_and_without_transparency() -> None:
    colours = Image.fromarray(RAMP).quantize(16)
    assert open_image(file_of(colours, "PNG"), "x").mode == "RGB"
    found = open_image(file_of(colours, "PNG", transparency=0), "x")
    assert found.mode == "RGBA"
    assert set(numpy.unique(numpy.asarray(found)[..., 3])) == {0, 255}


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGBA"])
def test_other_modes(mode: str) -> None:
    found = open_image(file_of(Image.fromarray(RAMP).convert(mode), "PNG"), "x")
    assert found.mode == ("RGBA" if mode.endswith("A") else "RGB")


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_its_first_picture(format: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    data = file_of(frames[0], format, save_all=True, append_images=frames[1:])
    red, green, blue = numpy.asarray(flat(open_image(data, "x")))[8, 8]
    assert red > 240 and green < 15 and blue < 15


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_camera_s_orientation_is_applied(format: str) -> None:
    image = Image.new("RGB", (32, 16), "black")
    image.paste("white", (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rows are columns
    found = open_image(file_of(image, format, exif=exif), "x")
    assert found.size == (16, 32)
    light = numpy.asarray(found.convert("L"))
    assert light[:12].min() > 200 and light[20:].max() < 60


def test_one_pixel() -> None:
    assert open_image(png_bytes(Image.new("RGB", (1, 1), "red")), "x").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("size", [(20_000, 20_000), (20_000, 8), (1, 20_000), (16_000, 16_000), (2**31 - 1, 2**31 - 1)])
def test_too_large_is_known_from_the_header(size: tuple[int, int]) -> None:
    with pytest.raises(BadValue) as caught:
        open_image(headed(*size), "start.image")
    assert caught.value.field == "start.image"
    assert str(LONGEST_SIDE) in str(caught.value) or str(LARGEST_PICTURE) in str(caught.value)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_cut_short(format: str) -> None:
    noisy = Image.fromarray(numpy.random.default_rng(0).integers(0, 256, (64, 64, 3), numpy.uint8))
    data = file_of(noisy, format)
    for length in (0, 1, 10, len(data) // 3, len(data) * 2 // 3):
        with pytest.raises(BadValue) as caught:
            open_image(data[:length], "mask.image")
        assert caught.value.field == "mask.image"
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("data", [b"hello", b"%PDF-1.4", b"\x00" * 400, b"<svg></svg>"])
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(BadValue, match="not such a picture"):
        open_image(data, "start.image")


def test_floating_point_is_refused_by_name() -> None:
    with pytest.raises(BadValue, match="floating point"):
        open_image(file_of(Image.new("F", (4, 4)), "TIFF"), "x")


@pytest.mark.filterwarnings("ignore")  # Pillow warns of what it finds odd in a broken file
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_damaged_bytes_open_or_are_refused(format: str) -> None:
    chance = random.Random(0)
    whole = file_of(Image.fromarray(RAMP), format)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            assert open_image(bytes(data), "x").mode in ("RGB", "RGBA")
        except BadValue as error:
            assert error.field == "x"


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert flat(clear).getpixel((1, 1)) == (255, 255, 255)
