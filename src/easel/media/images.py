"""Where finished pictures go: numbered files in a folder a day, as AUTOMATIC1111 keeps them; and contact sheets.

    outputs/txt2img-images/2026-11-21/00000-1234.png

Many processes may save into one folder at once. This file does not know tensors (media/tensors.py), nor how a picture
becomes bytes (media/metadata.py).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

from PIL import Image

from easel.core.errors import BadValue, StorageError
from easel.core.result import Picture
from easel.media.metadata import QUALITY, encode, format_named, printable, reason

NUMBERED = re.compile(r"(\d{5,6})-")


def day_folder(outputs: Path, kind: str = "txt2img-images", day: date | None = None) -> Path:
    """Return the folder for pictures of one kind and day, today where none is given; it need not exist."""
    return outputs / kind / (day or date.today()).isoformat()


def save_picture(picture: Picture, folder: Path, *, format: str = "png", quality: int = QUALITY) -> Path:
    """Save a picture with its infotext as folder/NNNNN-SEED.ending and return the path.

    Raises StorageError as save_numbered() does, UnknownName and BadValue as encode() does.
    """
    data = encode(picture.image, picture.infotext, format=format, quality=quality)
    return save_numbered(data, folder, picture.seed, format_named(format).ending)


def save_numbered(data: bytes, folder: Path, seed: int, ending: str) -> Path:
    """Save a file's bytes as folder/NNNNN-SEED.ending and return the path.

    NNNNN is one more than the highest number in the folder, which is made where it is missing. The file appears whole
    or not at all, and never replaces another. Raises StorageError when the folder or disk does not take it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = max(numbers_taken(folder), default=-1) + 1
        while True:
            target = folder / f"{number:05d}-{seed}.{ending}"
            with reserved(folder, number) as temporary:
                # Another process may have finished this number between our look and our reservation.
                if temporary is not None and number not in numbers_taken(folder):
                    write_whole(temporary, data)
                    if put_in_place(temporary, target):
                        return target
            number += 1
    except (OSError, ValueError) as error:
        raise StorageError(
            f"cannot save a picture in {printable(folder)}: {reason(error)}; free some space or choose another folder."
        ) from error


def numbers_taken(folder: Path) -> set[int]:
    """Return the numbers that file names in `folder` begin with."""
    with os.scandir(folder) as entries:
        return {int(match[1]) for entry in entries if (match := NUMBERED.match(entry.name))}


@contextmanager
def reserved(folder: Path, number: int) -> Generator[Path | None]:
    """Give a temporary file that only one process can hold for `number`, None where another holds it; gone afterwards.

    One left by a killed process costs its number and nothing else.
    """
    temporary = folder / f".{number:05d}.part"
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        yield None
        return
    try:
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` and wait until the disk has it: some file systems say only then that they are full."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def put_in_place(temporary: Path, target: Path) -> bool:
    """Give the finished file its name in one move; False where that name is taken."""
    try:
        try:
            os.link(temporary, target)
        except FileExistsError:
            raise
        except OSError:
            # No hard links here (FAT, some network folders): take the name with an empty file, then replace it.
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            try:
                os.replace(temporary, target)
            except BaseException:
                target.unlink()
                raise
    except FileExistsError:
        return False
    return True


def grid(images: Sequence[Image.Image], columns: int | None = None) -> Image.Image:
    """Return a contact sheet on black, row by row; a cell is as large as the largest image, smaller ones stand centred.

    columns: nearly as many as rows where it is None. Raises BadValue without images or columns.
    """
    if not images:
        raise BadValue("images of a grid", 0, "at least one")
    if columns is not None and columns < 1:
        raise BadValue("columns of a grid", columns, "at least 1")
    columns = min(columns or math.ceil(len(images) / round(math.sqrt(len(images)))), len(images))
    width, height = max(image.width for image in images), max(image.height for image in images)
    sheet = Image.new("RGB", (columns * width, math.ceil(len(images) / columns) * height))
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        corner = column * width + (width - image.width) // 2, row * height + (height - image.height) // 2
        sheet.paste(image, corner)
    return sheet
