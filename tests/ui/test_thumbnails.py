"""Small copies: small, kept, made anew when the picture is, and gone with it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from easel.core.errors import StorageError
from easel.jobs.album import discard
from easel.ui.thumbnails import SIDE, small, small_of


def picture(path: Path, size: tuple[int, int] = (1200, 800), colour: str = "red", mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path)
    return path


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "LA"])
@pytest.mark.parametrize("size", [(1200, 800), (800, 1200), (64, 64), (1, 3000)])
def test_a_copy_fits_and_keeps_the_shape(tmp_path: Path, size: tuple[int, int], mode: str) -> None:
    copy = opened(small(picture(tmp_path / "a-0.png", size, mode=mode)))
    assert copy.format == "WEBP"
    assert max(copy.size) <= SIDE
    assert copy.width / copy.height == pytest.approx(size[0] / size[1], rel=0.02) or min(copy.size) == 1


def test_a_copy_is_made_once_and_anew_when_the_picture_is(tmp_path: Path) -> None:
    path = picture(tmp_path / "a-0.png", colour="red")
    first = small(path)
    os.utime(small_of(path), (2e9, 2e9))
    picture(path, colour="blue")
    assert small(path) == first
    os.utime(path, (3e9, 3e9))
    red, _, blue = opened(small(path)).convert("RGB").getpixel((5, 5))  # type: ignore[misc]
    assert blue > 200 > 50 > red


def test_copies_go_with_their_job_and_no_other(tmp_path: Path) -> None:
    for name in ("ab-0", "ab-1", "abc-0"):
        small(picture(tmp_path / "2026-01-01" / f"{name}.png"))
    discard(tmp_path, "2026-01-01/ab")
    left = sorted(path.name for path in (tmp_path / "2026-01-01").iterdir())
    assert left == [".abc-0.webp", "abc-0.png"]


def test_a_copy_that_cannot_be_kept_is_given_all_the_same(tmp_path: Path) -> None:
    path = picture(tmp_path / "a-0.png")
    small_of(path).mkdir()  # its name is taken
    assert opened(small(path)).format == "WEBP"
    assert sorted(one.name for one in tmp_path.iterdir()) == [".a-0.webp", "a-0.png"]


def test_a_broken_picture_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a-0.png"
    path.write_bytes(b"no picture")
    with pytest.raises(StorageError, match="cannot read the picture"):
        small(path)
    with pytest.raises(StorageError, match="cannot read the picture"):
        small(tmp_path / "none.png")
