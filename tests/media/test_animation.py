"""Animations: every frame is there, in order, and close to what was given."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy
import pytest
from PIL import Image

from easel.core.errors import BadValue, UnknownName
from easel.core.motion import Motion
from easel.core.result import Picture
from easel.media.animation import animate, film_of
from easel.media.metadata import read_picture_file


def frames(count: int = 5, side: int = 48) -> list[Image.Image]:
    """Grey squares that brighten."""
    return [Image.new("RGB", (side, side), (40 * n + 20,) * 3) for n in range(count)]


def levels(data: bytes, format: str) -> list[float]:
    """The mean brightness of each frame of a file."""
    if format == "mp4":
        with av.open(io.BytesIO(data)) as file:
            return [float(frame.to_ndarray(format="rgb24").mean()) for frame in file.decode(video=0)]
    found: list[float] = []
    with Image.open(io.BytesIO(data)) as image:
        for n in range(getattr(image, "n_frames", 1)):
            image.seek(n)
            found.append(float(numpy.asarray(image.convert("RGB")).mean()))
    return found


@pytest.mark.parametrize("format", ["gif", "webp", "mp4"])
def test_every_frame_in_order(format: str) -> None:
    found = levels(animate(frames(), format), format)
    assert found == pytest.approx([20, 60, 100, 140, 180], abs=4)


@pytest.mark.parametrize("format", ["gif", "webp", "mp4"])
def test_there_and_back(format: str) -> None:
    found = levels(animate(frames(3), format, there_and_back=True), format)
    assert found == pytest.approx([20, 60, 100, 60], abs=4)


def test_pace() -> None:
    with Image.open(io.BytesIO(animate(frames(), "gif", fps=5))) as image:
        assert image.info["duration"] == 200
    with av.open(io.BytesIO(animate(frames(), "mp4", fps=5))) as file:
        assert float(file.streams.video[0].average_rate or 0) == pytest.approx(5)


@pytest.mark.parametrize("format", ["gif", "webp", "mp4"])
def test_a_film_tells_of_its_clip(format: Any) -> None:
    text = "a fox, 여우\nSteps: 4, Seed: 7, Motion: mm"
    pictures = [Picture(frame, 7 + n, f"{text}, Batch pos: {n}") for n, frame in enumerate(frames(3))]
    data = film_of(Motion(model="mm", format=format, fps=10), pictures)
    assert levels(data, format) == pytest.approx([20, 60, 100], abs=4)
    if format == "mp4":
        with av.open(io.BytesIO(data)) as file:
            assert file.metadata["comment"] == pictures[0].infotext
    elif format == "webp":
        assert read_picture_file(io.BytesIO(data)).infotext == pictures[0].infotext
    else:
        with Image.open(io.BytesIO(data)) as image:
            assert image.info["comment"].decode() == pictures[0].infotext


def test_frames_of_unequal_size_are_centred() -> None:
    with Image.open(io.BytesIO(animate([*frames(1, 48), *frames(1, 32)], "webp"))) as image:
        image.seek(1)
        assert image.size == (48, 48)
        assert image.convert("RGB").getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize("side", [1, 33])
def test_odd_sides(side: int) -> None:
    if side == 1:
        with pytest.raises(BadValue, match="at least 2"):
            animate(frames(2, side), "mp4")
    else:
        assert len(levels(animate(frames(2, side), "mp4"), "mp4")) == 2


def test_bad_wishes() -> None:
    with pytest.raises(UnknownName, match="nearest 'gif'"):
        animate(frames(), "gifs")
    with pytest.raises(BadValue, match="fps"):
        animate(frames(), "gif", fps=0)
    with pytest.raises(BadValue, match="frames"):
        animate([], "gif")
