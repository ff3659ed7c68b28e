"""Faces found by every kind of detector, once each, in the pixels of the picture."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageDraw

from easel.core.errors import Incomplete, Mismatch
from easel.post.finding import faces_in, load_finder
from easel.post.found import Found, distinct, shared
from tests.post.onnxfiles import POINTS, SIDE, write_scrfd, write_yunet

WRITERS = {"yunet": write_yunet, "scrfd": write_scrfd}


def picture(size: tuple[int, int], *middles: tuple[int, int], side: int = 16) -> Image.Image:
    """Return a black picture with red squares round these places."""
    image = Image.new("RGB", size)
    for x, y in middles:
        ImageDraw.Draw(image).rectangle(
            (x - side // 2, y - side // 2, x + side // 2 - 1, y + side // 2 - 1), (255, 0, 0)
        )
    return image


@pytest.mark.parametrize("kind", WRITERS)
def test_a_face_is_found_where_it_is_with_its_landmarks(kind: str, tmp_path: Path) -> None:
    finder = load_finder(WRITERS[kind](tmp_path / "d.onnx"))
    (found,) = faces_in(picture((640, 480), (200, 104)), finder)
    half = SIDE / 2
    assert found.box == (200 - half, 104 - half, 200 + half, 104 + half)
    assert found.score == pytest.approx(1, abs=0.02)
    assert numpy.allclose(found.points, [(200 + x * SIDE, 104 + y * SIDE) for x, y in POINTS], atol=1e-3)


@pytest.mark.parametrize("kind", WRITERS)
def test_faces_come_from_left_to_right_and_each_once(kind: str, tmp_path: Path) -> None:
    finder = load_finder(WRITERS[kind](tmp_path / "d.onnx"))
    image = picture((640, 640), (504, 104), (200, 408), side=32)  # four cells of each are red
    found = faces_in(image, finder)
    assert [round(face.points[2][0], -2) for face in found] == [200, 500]
    assert faces_in(Image.new("RGB", (640, 640)), finder) == []


def test_a_large_picture_is_looked_at_in_small_and_told_of_in_its_own_pixels(tmp_path: Path) -> None:
    finder = load_finder(write_yunet(tmp_path / "d.onnx"))
    (found,) = faces_in(picture((2560, 1920), (800, 416), side=64), finder)
    assert found.box == (704, 320, 896, 512)


def test_what_insists_on_a_size_is_given_it_whatever_the_picture_is(tmp_path: Path) -> None:
    finder = load_finder(write_yunet(tmp_path / "d.onnx", fixed=320))
    for size in ((640, 320), (320, 640)):
        (found,) = faces_in(picture(size, (176, 208), side=32), finder)
        assert found.box == (176 - SIDE, 208 - SIDE, 176 + SIDE, 208 + SIDE)


def test_boxes_are_cut_to_the_picture_and_doubt_is_no_face(tmp_path: Path) -> None:
    finder = load_finder(write_yunet(tmp_path / "d.onnx"))
    image = picture((640, 640), (8, 8))
    (found,) = faces_in(image, finder)
    assert found.box == (0, 0, 32, 32)
    faint = Image.blend(Image.new("RGB", image.size), image, 0.5)
    assert faces_in(faint, finder) == []
    assert faces_in(faint, finder, least=0.4)[0].score == pytest.approx(0.5, abs=0.01)


def test_the_surest_of_what_lies_together_is_kept() -> None:
    one, two, far = Found((0, 0, 10, 10), 0.7), Found((1, 0, 11, 10), 0.9), Found((50, 50, 60, 60), 0.6)
    assert distinct([one, two, far]) == [two, far]
    assert shared(one.box, two.box) == pytest.approx(90 / 110)
    assert (shared(one.box, far.box), shared(one.box, one.box), one.area) == (0, 1, 100)


def test_files_that_are_no_detectors_are_refused_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(Incomplete, match=r"broken\.onnx: is no ONNX file"):
        load_finder(broken)
    from onnx import TensorProto, helper

    from tests.post.onnxfiles import written

    made = helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, 3, None, None])
    other = written(
        tmp_path / "u2net.onnx", [helper.make_node("Identity", ["input"], ["mask"])], [], [1, 3, 8, 8], [made]
    )
    with pytest.raises(Mismatch, match=r"u2net\.onnx: gives mask, which is no face detector's; read are YuNet"):
        load_finder(other)
