"""The film of a job whose pictures are the frames of one clip: a file beside them, which goes when they go.

    outputs/jobs/2026-11-21/4f3c0e...-film.webp

Made of the kept frames, so that it can be made again. Knows files and no database.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from easel.core.errors import StorageError
from easel.core.motion import Motion
from easel.core.result import Picture
from easel.jobs.album import given_away
from easel.jobs.job import Kept
from easel.media.animation import film_of
from easel.media.images import write_whole
from easel.media.metadata import printable, reason
from easel.media.reading import open_image


def film_at(album: Path, stem: str, motion: Motion, frames: Sequence[Kept]) -> Path:
    """Return where the film of a job's frames stands, made where it is not there. Raises StorageError."""
    target = album / f"{stem}-film.{motion.format}"
    if target.is_file():
        return target
    pictures = [
        Picture(open_image(given_away(album, kept).read_bytes(), kept.file), kept.seed, kept.infotext)
        for kept in frames
    ]
    data = film_of(motion, pictures)
    temporary = target.with_name(f".{target.stem}.{uuid4().hex[:8]}.part")
    try:
        write_whole(temporary, data)
        os.replace(temporary, target)
    except OSError as error:
        told = f"cannot save a film in {printable(target.parent)}: {reason(error)}"
        raise StorageError(f"{told}; free some space or choose another folder.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return target
