"""Small copies of finished pictures, made at their first look and kept beside them.

    outputs/jobs/2026-11-21/.4f3c0e...-0.webp

The name is one of those by which jobs/album.py finds a job's files, so a copy goes with its picture. Knows files; not
whose they are.
"""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from easel.core.errors import StorageError
from easel.media.metadata import BROKEN, printable, reason

SIDE = 512  # pixels of the longer side: sharp in a cell of 256 on a dense screen
QUALITY = 78


def small_of(picture: Path) -> Path:
    """Return where a picture's small copy stands."""
    return picture.with_name(f".{picture.stem}.webp")


def small(picture: Path) -> bytes:
    """Return the small copy of a picture, WebP; made where it is missing, or older than the picture.

    Where it cannot be kept, as on a full disk, it is made again the next time. Raises StorageError for a picture that
    cannot be read.
    """
    copy = small_of(picture)
    try:
        if copy.stat().st_mtime_ns >= picture.stat().st_mtime_ns:
            return copy.read_bytes()
    except OSError:
        pass  # not made yet
    data = made(picture)
    temporary = copy.with_name(f"{copy.name}.{uuid4().hex[:8]}.part")
    with suppress(OSError):
        try:
            temporary.write_bytes(data)
            os.replace(temporary, copy)
        finally:
            temporary.unlink(missing_ok=True)
    return data


def made(picture: Path) -> bytes:
    """Return a picture as a small WebP file. Raises StorageError where it cannot be read."""
    from PIL import Image

    file = io.BytesIO()
    try:
        with Image.open(picture) as image:
            image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
            shown = image if image.mode in ("RGB", "RGBA") else image.convert("RGB")
            shown.save(file, "WEBP", quality=QUALITY, method=3)
    except BROKEN as error:
        raise StorageError(f"cannot read the picture {printable(picture)}: {reason(error)}.") from error
    return file.getvalue()
