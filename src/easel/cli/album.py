"""Where pictures of a command go: the day's folder, a folder that was named, or one named file.

media/ makes and numbers the files; this file chooses their place and asks, before minutes are spent on drawing,
whether they can be written there.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from easel.core.errors import BadValue, StorageError

if TYPE_CHECKING:
    from easel.core.request import Request
    from easel.core.result import Picture

PROBE = 2**20  # bytes; a picture of the usual sizes fits
ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


class Album:
    """The place of one command's pictures.

    out: None for outputs/KIND/YYYY-MM-DD, a folder, or, for a single picture, a file with one of ENDINGS,
    which replaces a file of that name. Raises BadValue where one file is named for several pictures.
    """

    def __init__(self, out: Path | None, outputs: Path, *, pictures: int, kind: str = "txt2img-images") -> None:
        from easel.media.images import day_folder

        self.file = out if out and out.suffix.casefold() in ENDINGS and not out.is_dir() else None
        self.folder = self.file.parent if self.file else out or day_folder(outputs, kind)
        if self.file and pictures > 1:
            raise BadValue("--out", str(out), f"a folder for {pictures} pictures", remedy="a file takes one picture")

    def check(self) -> None:
        """Raise StorageError unless a picture could be written here now; leaves nothing behind."""
        check_writable(self.folder)

    def keep(self, number: int, picture: Picture) -> Path:
        """Write a picture with its infotext, whole or not at all, and return its path. Raises StorageError.

        number: of the request, which plays no part in where it goes.
        """
        from easel.media.images import save_picture

        return save_picture(picture, self.folder) if self.file is None else write_file(picture, self.file)

    def film(self, request: Request, frames: Sequence[Picture], file: Path | None = None) -> Path | None:
        """Write the film of a clip beside its frames, or to `file`, and return its path. Raises StorageError."""
        from easel.media.animation import film_of
        from easel.media.images import save_numbered

        if request.motion is None:
            return None
        data = film_of(request.motion, frames)
        if file is not None:
            return write_bytes(data, file)
        return save_numbered(data, self.folder, frames[0].seed, request.motion.format)


def write_file(picture: Picture, file: Path) -> Path:
    """Write a picture to `file` in the format its ending names, in one move at the end. Raises StorageError."""
    from easel.media.metadata import encode

    return write_bytes(encode(picture.image, picture.infotext, format=file.suffix), file)


def write_bytes(data: bytes, file: Path) -> Path:
    """Write `data` to `file` in one move at the end, and return its path. Raises StorageError."""
    from easel.media.images import write_whole

    temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_whole(temporary, data)
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(file, error) from None
    return file


def write_pieces(pieces: Iterable[bytes], file: Path) -> Path:
    """Write bytes to `file` as they come, in one move at the end, and return its path. Raises StorageError."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as opened:
                opened.writelines(pieces)
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(file, error) from None
    return file


def check_writable(folder: Path) -> None:
    """Raise StorageError unless PROBE bytes can be written where `folder` is or would be; leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=nearest_existing(folder)) as probe:
            probe.write(b"\0" * PROBE)
            probe.flush()
    except OSError as error:
        raise cannot_write(folder, error) from None


def cannot_write(place: Path, error: OSError) -> StorageError:
    """Return the error for a folder or file that the system does not let us write."""
    reason = (error.strerror or str(error)).lower()
    return StorageError(f"cannot write pictures to {place}: {reason}; choose another place with --out.")


def nearest_existing(folder: Path) -> Path:
    """Return `folder`, or the nearest of its parents that exists."""
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    return there
