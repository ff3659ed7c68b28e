"""The files of finished jobs: one a picture, under a name that its job was given when it was submitted.

    outputs/jobs/2026-11-21/4f3c0e...-0.png

A job that is run again writes the same names, so a picture has one file however often its server died. Knows files and
no database; jobs/pruning.py keeps both in step.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from easel.core.errors import StorageError
from easel.core.result import Picture
from easel.jobs.job import Kept
from easel.media.images import write_whole
from easel.media.metadata import encode, printable, reason


def keep(album: Path, stem: str, pictures: Sequence[Picture]) -> tuple[Kept, ...]:
    """Save a job's pictures, each whole or not at all, and return what is kept of them; raises StorageError."""
    folder = (album / stem).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in files(album, stem):
            if left.suffix == ".part":  # of a server that died while it wrote
                left.unlink(missing_ok=True)
        kept = tuple(keep_one(album, f"{stem}-{number}.png", picture) for number, picture in enumerate(pictures))
        settle(folder)
    except (OSError, ValueError) as error:
        raise StorageError(
            f"cannot save a picture in {printable(folder)}: {reason(error)}; free some space or choose another folder."
        ) from error
    return kept


def keep_one(album: Path, file: str, picture: Picture) -> Kept:
    """Save one picture as album/file in place of what has that name. Raises OSError."""
    data = encode(picture.image, picture.infotext)
    target = album / file
    temporary = target.with_name(f".{target.stem}.{uuid4().hex[:8]}.part")
    try:
        write_whole(temporary, data)
        os.replace(temporary, target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    width, height = picture.image.size
    return Kept(file, picture.seed, picture.infotext, width, height, len(data))


def keep_again(album: Path, stem: str, pictures: Sequence[Kept]) -> tuple[Kept, ...]:
    """Give a job files of its own of pictures that another has, and return what is kept; raises StorageError.

    Their bytes are on the disk once where it can give a file two names, and stay until both are gone.
    """
    folder = (album / stem).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kept = tuple(
            replace(one, file=f"{stem}-{number}{Path(one.file).suffix}", favourite=False)
            for number, one in enumerate(pictures)
        )
        for old, new in zip(pictures, kept, strict=True):
            name_again(album / old.file, album / new.file)
        settle(folder)
    except OSError as error:
        raise StorageError(
            f"cannot keep a picture again in {printable(folder)}: {reason(error)}; see that pictures stand there."
        ) from error
    return kept


def name_again(file: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the disk knows none. Raises OSError."""
    try:
        os.link(file, target)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, a file system without links, or too many of them
        temporary = target.with_name(f".{target.stem}.{uuid4().hex[:8]}.part")
        try:
            write_whole(temporary, file.read_bytes())
            os.replace(temporary, target)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def stands(album: Path, one: Kept) -> bool:
    """Return whether a picture's file is there, a file of its own and as long as it was."""
    try:
        facts = (album / one.file).lstat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(facts.st_mode) and facts.st_size == one.bytes


def settle(folder: Path) -> None:
    """Wait until the disk has the names in a folder too, where the system can be asked for that."""
    with suppress(PermissionError):  # Windows opens no folders
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def files(album: Path, stem: str) -> Iterator[Path]:
    """Yield the files that a job has in the album, finished or not."""
    named = album / stem
    with suppress(FileNotFoundError), os.scandir(named.parent) as entries:
        for entry in entries:
            if entry.name.startswith((f"{named.name}-", f".{named.name}-")):
                yield Path(entry.path)


def discard(album: Path, stem: str) -> None:
    """Take a job's files out of the album, and the folder of its day when that was the last; raises StorageError."""
    try:
        for file in list(files(album, stem)):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot remove pictures below {printable(album)}: {reason(error)}.") from error
    with suppress(OSError):
        (album / stem).parent.rmdir()


def given_away(album: Path, kept: Kept) -> Path:
    """Return where a finished picture stands. Raises StorageError where it is gone, or was led out of the album."""
    path = album / kept.file
    try:
        there = path.is_file()
    except (OSError, ValueError):  # no file can have such a name
        there = False
    if not there:
        raise StorageError(f"picture {kept.file} is no longer there; draw it again with its seed, {kept.seed}.")
    if not path.resolve().is_relative_to(album.resolve()):
        raise StorageError(f"picture {kept.file} stands outside of the album, and is not given away.")
    return path
