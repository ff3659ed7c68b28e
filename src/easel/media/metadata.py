"""Pictures as PNG, JPEG or WebP bytes that carry their infotext where AUTOMATIC1111 looks for it, and the way back.

PNG keeps it in a text chunk "parameters", JPEG and WebP in the Exif field UserComment. Other texts that a file carries,
such as ComfyUI's "prompt" and "workflow", come along when it is read. This file does not know what any of them says
(prompt/) nor where files go (media/images.py).
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from easel.core.errors import BadValue, StorageError, UnknownName
from easel.media.transparent import flat

PNG_KEY = "parameters"
EXIF_FOLDER, USER_COMMENT = 0x8769, 0x9286
COMFY_TAGS = (0x010F, 0x0110)  # Make and Model, where ComfyUI writes "workflow:{...}" and "prompt:{...}" in a WebP
CODE_LENGTH = 8  # bytes that name the encoding of a UserComment
UNICODE, ASCII = b"UNICODE\0", b"ASCII\0\0\0"
LARGEST_JPEG_EXIF = 65_533  # bytes; an Exif block is one JPEG segment
LARGEST_PICTURE = 89_478_485  # pixels, where Pillow begins to suspect a bomb: 256 MiB of RGB
QUALITY = 80  # A1111's default for JPEG and WebP

# A file cannot hold a lone surrogate, and NUL ends a PNG text for most readers.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")

# What Pillow raises for a broken file, by its plugins' own habits.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@dataclass(frozen=True, slots=True)
class Format:
    """A file format for pictures: Pillow's name, the file's ending, the media type, the longest side in pixels."""

    pillow: str
    ending: str
    media_type: str
    longest: int


FORMATS = {
    "png": Format("PNG", "png", "image/png", 2**31 - 1),
    "jpeg": Format("JPEG", "jpg", "image/jpeg", 65_500),
    "webp": Format("WEBP", "webp", "image/webp", 16_383),
}
ALIASES = {"jpg": "jpeg"}


@dataclass(frozen=True, slots=True)
class PictureFile:
    """What a picture file says of itself; format is a key of FORMATS, sizes are pixels, texts are others by name."""

    format: str
    width: int
    height: int
    infotext: str | None
    texts: Mapping[str, str] = field(default_factory=dict[str, str])


def format_named(name: str) -> Format:
    """Return the format called `name`; raises UnknownName."""
    key = name.strip().lower().removeprefix(".")
    found = FORMATS.get(ALIASES.get(key, key))
    if found is None:
        raise UnknownName("picture format", name, FORMATS)
    return found


def encode(image: Image.Image, infotext: str = "", *, format: str = "png", quality: int = QUALITY) -> bytes:
    """Return the picture as the bytes of a file; an empty infotext adds none.

    quality, 1..100, is for JPEG and WebP. Lone surrogates and NUL become U+FFFD, for no file can hold them. An infotext
    too long for a JPEG is written a byte a letter where it is plain ASCII, which doubles the room.
    Raises UnknownName, and BadValue when the format cannot hold the picture or the infotext.
    """
    kind = format_named(format)
    if not 1 <= quality <= 100:
        raise BadValue("quality", quality, "1 to 100")
    if max(image.size) > kind.longest:
        size = f"{image.width}x{image.height}"
        raise BadValue("picture size", size, f"at most {kind.longest} pixels a side in {kind.pillow}", remedy="use PNG")
    text = UNSTORABLE.sub("\ufffd", infotext)
    file = io.BytesIO()
    if kind.pillow == "PNG":
        chunks = PngInfo()
        if text:
            chunks.add_text(PNG_KEY, text)
        image.save(file, "PNG", pnginfo=chunks)
    else:
        exif = exif_with(text) if text else b""
        if kind.pillow == "JPEG" and len(exif) > LARGEST_JPEG_EXIF and text.isascii():
            exif = exif_with(text, plain=True)
        if kind.pillow == "JPEG":
            image = image if image.mode in ("RGB", "L") else flat(image)
            if len(exif) > LARGEST_JPEG_EXIF:
                room = (LARGEST_JPEG_EXIF - len(exif_with("  ", plain=True)) + 2) // 2  # pairs of bytes
                allowed = f"at most {room * 2 if text.isascii() else room} characters in a JPEG"
                raise BadValue("infotext", f"{len(text)} characters long", allowed, remedy="use PNG or WebP")
        image.save(file, kind.pillow, quality=quality, exif=exif)
    return file.getvalue()


def exif_with(text: str, *, plain: bool = False) -> bytes:
    """Return an Exif block with `text` as its UserComment, big-endian throughout, as piexif and so A1111 write it.

    plain: in ASCII instead of UTF-16.
    """
    exif = Image.Exif()
    exif.endian = ">"
    exif.get_ifd(EXIF_FOLDER)[USER_COMMENT] = (
        ASCII + text.encode("ascii") if plain else UNICODE + text.encode("utf-16-be")
    )
    return exif.tobytes()


def read_picture_file(source: Path | IO[bytes]) -> PictureFile:
    """Return format, size and infotext of a whole PNG, JPEG or WebP file; every pixel is decoded to know it is whole.

    Raises StorageError when the file cannot be opened, BadValue when it is no such picture, cut short or too large.
    """
    if not isinstance(source, Path):
        return _read(source, "picture")
    try:
        file = source.open("rb")
    except (OSError, ValueError) as error:
        raise StorageError(f"cannot read {printable(source)}: {reason(error)}.") from error
    with file:
        return _read(file, printable(source))


def _read(file: IO[bytes], name: str) -> PictureFile:
    allowed = "a whole PNG, JPEG or WebP picture"
    try:
        with Image.open(file, formats=[kind.pillow for kind in FORMATS.values()]) as image:
            if image.width * image.height > LARGEST_PICTURE:
                raise BadValue(name, f"{image.width}x{image.height}", f"at most {LARGEST_PICTURE} pixels")
            image.load()
            kind = next(key for key, value in FORMATS.items() if value.pillow == image.format)
            return PictureFile(kind, image.width, image.height, infotext_of(image), texts_of(image))
    except BROKEN as error:
        said = "not such a picture" if isinstance(error, Image.UnidentifiedImageError) else reason(error)
        raise BadValue(name, said, allowed) from error


def infotext_of(image: Image.Image) -> str | None:
    """Return the infotext an opened picture carries, None where there is none or its Exif is broken."""
    if isinstance(image, PngImageFile):
        text = image.text.get(PNG_KEY)
        if text is not None:
            return str(text)
    try:
        comment = image.getexif().get_ifd(EXIF_FOLDER).get(USER_COMMENT)
    except (*BROKEN, KeyError, TypeError):
        return None
    return decoded(comment) if isinstance(comment, bytes) else comment if isinstance(comment, str) else None


def texts_of(image: Image.Image) -> dict[str, str]:
    """Return the other texts an opened picture carries: a PNG's text chunks, or what ComfyUI keeps in Exif."""
    if isinstance(image, PngImageFile):
        return {name: str(text) for name, text in image.text.items() if name != PNG_KEY}
    try:
        exif = image.getexif()
        said = [text for tag in COMFY_TAGS if isinstance(text := exif.get(tag), str)]
    except (*BROKEN, KeyError, TypeError):
        return {}
    parts = [text.partition(":") for text in said]
    return {name: text.strip("\0") for name, _, text in parts if name in ("prompt", "workflow")}


def decoded(comment: bytes) -> str | None:
    """Return the text of a UserComment, None where it is empty."""
    code, text = comment[:CODE_LENGTH], comment[CODE_LENGTH:]
    if code == UNICODE:
        return text.decode(utf16_order(text), errors="replace").strip("\0") or None
    if code not in (ASCII, b"\0" * CODE_LENGTH):
        text = comment  # no code at all: some writers leave it out
    return text.decode("utf-8", errors="replace").strip("\0 ") or None


def utf16_order(text: bytes) -> str:
    """Return the encoding whose ASCII letters have their zero byte in the right place: writers disagree on the order.

    Every infotext holds ASCII (spaces, colons, digits), whatever the language of its prompt.
    """
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    return "utf-16-le" if text[1::2].count(0) > text[0::2].count(0) else "utf-16-be"


def reason(error: Exception) -> str:
    """Return what went wrong in one line, in the operating system's words where it said any."""
    said = error.strerror if isinstance(error, OSError) else None
    return " ".join((said or str(error) or type(error).__name__).split())


def printable(path: Path) -> str:
    """Return a path as it may stand in a one-line message."""
    text = str(path)
    return text if text.isprintable() else ascii(text)
