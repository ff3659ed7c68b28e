"""Detectors: every export's answers read alike, from files whose answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from onnx import helper
from PIL import Image

from easel.core.errors import Mismatch, UnknownName
from easel.post.yolo import load_detector, regions_found
from tests.post.yolos import SIDE, older, table, write

NAMES = {0: "face", 1: "hand"}
PICTURE = Image.new("RGB", (128, 64), "white")  # fills the input's width, 16 grey pixels above and below
FACE = (16.0, 32.0, 16.0, 16.0)  # centre and sides in the input, so (16, 16, 48, 48) in the picture
HAND = (48.0, 32.0, 8.0, 16.0)  # (88, 16, 104, 48)


def found(path: Path, least: float = 0.3, classes: tuple[str, ...] = (), picture: Image.Image = PICTURE) -> Any:
    regions = regions_found(picture, load_detector(path), least=least, classes=classes)
    return [(one.box, round(one.score, 2)) for one in regions]


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    rows = [(*FACE, 0.9, 0.1), (*HAND, 0.0, 0.7), (17.0, 32.0, 16.0, 16.0, 0.8, 0.0), (30.0, 30.0, 4.0, 4.0, 0.2, 0.2)]
    return write(tmp_path / "eight.onnx", [table(rows)], names=NAMES)


BOTH = [((16, 16, 48, 48), 0.9), ((88, 16, 104, 48), 0.7)]


def test_boxes_lie_where_they_were_found_the_surest_first_and_once(detector: Path) -> None:
    assert found(detector) == BOTH


def test_only_what_is_sure_enough(detector: Path) -> None:
    assert found(detector, least=0.8) == BOTH[:1]
    assert len(found(detector, least=0.1)) == 3


def test_classes_by_name_or_number(detector: Path) -> None:
    assert found(detector, classes=("hand",)) == found(detector, classes=(" HAND ",)) == BOTH[1:]
    assert found(detector, classes=("0",)) == BOTH[:1]
    assert found(detector, classes=("0", "hand")) == BOTH
    with pytest.raises(UnknownName, match="class of eight 'hands' is not known; nearest 'hand'"):
        found(detector, classes=("hands",))
    with pytest.raises(UnknownName, match="'2'"):
        found(detector, classes=("2",))


def test_version_5(tmp_path: Path) -> None:
    rows = [(*FACE, 0.9, 1.0, 0.0), (*HAND, 0.7, 0.0, 1.0), (30.0, 30.0, 4.0, 4.0, 0.1, 1.0, 1.0)]
    assert found(write(tmp_path / "five.onnx", [older(rows)], names=NAMES)) == BOTH


def test_doubles_sorted_out_by_the_network(tmp_path: Path) -> None:
    rows = numpy.zeros((1, 300, 6))
    rows[0, 0], rows[0, 1] = (8, 24, 24, 40, 0.9, 0), (44, 24, 52, 40, 0.7, 1)
    assert found(write(tmp_path / "ten.onnx", [rows], names=NAMES)) == BOTH
    assert found(write(tmp_path / "ten.onnx", [rows], names=NAMES), classes=("hand",)) == BOTH[1:]


def test_one_class_and_no_names(tmp_path: Path) -> None:
    assert found(write(tmp_path / "bare.onnx", [table([(*FACE, 0.9)])])) == BOTH[:1]
    assert found(write(tmp_path / "bare.onnx", [older([(*FACE, 0.9, 1.0)])])) == BOTH[:1]


def test_masks_are_drawn_within_their_boxes(tmp_path: Path) -> None:
    planes = numpy.zeros((1, 32, 16, 16))
    planes[0, 0] = -9
    planes[0, 0, :, :5] = 9  # the left 40 pixels of the picture
    row = (*FACE, 0.9, *((1.0,) + (0.0,) * 31))
    path = write(tmp_path / "seg.onnx", [table([row], 400), planes], names={0: "face"})
    ((box, _),) = found(path)
    assert box[:2] == (16, 16) and box[3] == 48 and 38 <= box[2] <= 42


def test_pictures_are_read_as_red_green_blue_from_0_to_1(tmp_path: Path) -> None:
    """The answer is the mean of the first channel: a red picture is sure, a blue one is not."""
    first = [
        helper.make_node("Constant", [], ["place"], value_ints=[0]),
        helper.make_node("Gather", ["images", "place"], ["red"], axis=1),
        helper.make_node("ReduceMean", ["red"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Constant", [], ["rows"], value_ints=[1, 1, 1]),
        helper.make_node("Reshape", ["mean", "rows"], ["score"]),
        helper.make_node("Constant", [], ["box"], value_floats=[32.0, 32.0, 64.0, 64.0]),
        helper.make_node("Constant", [], ["long"], value_ints=[1, 4, 1]),
        helper.make_node("Reshape", ["box", "long"], ["boxes"]),
        helper.make_node("Concat", ["boxes", "score"], ["one"], axis=1),
        helper.make_node("Constant", [], ["pads"], value_ints=[0, 0, 0, 0, 0, 20]),
        helper.make_node("Pad", ["one", "pads"], ["output0"]),
    ]
    path = write(tmp_path / "red.onnx", [numpy.zeros((1, 5, 21))], names={0: "red"}, nodes=first)
    assert found(path, picture=Image.new("RGB", (64, 64), "red")) == [((0, 0, 64, 64), 1.0)]
    assert found(path, picture=Image.new("RGB", (64, 64), "blue")) == []
    ((_, grey),) = found(path, least=0.1, picture=Image.new("RGB", (SIDE, SIDE // 2), "blue"))
    assert grey == round(114 / 255 / 2, 2), "half of the input lies beside the picture"


def test_half_numbers_and_an_open_size(tmp_path: Path) -> None:
    half = write(tmp_path / "half.onnx", [table([(*FACE, 0.9, 0.1)])], names=NAMES, half=True)
    assert found(half) == BOTH[:1]
    large = tuple(10 * side for side in FACE)
    open_size = write(tmp_path / "open.onnx", [table([(*large, 0.9, 0.1)])], names=NAMES, side="side")
    assert load_detector(open_size).size == (640, 640)
    assert found(open_size) == BOTH[:1]


def test_what_is_no_detector_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Mismatch, match=r"flat\.onnx: has not the input and output"):
        load_detector(write(tmp_path / "flat.onnx", [numpy.zeros((1, 10))]))
    odd = write(tmp_path / "odd.onnx", [table([(*FACE, 0.9, 0.1, 0.2)])], names=NAMES)
    with pytest.raises(Mismatch, match=r"odd\.onnx: has 2 classes and 3 numbers"):
        found(odd)
