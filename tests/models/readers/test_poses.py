"""Poses: OpenPose's JSON there and back, its pictures, and DWPose's two networks by files of the same signature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from easel.core.errors import BadValue, Incomplete, Mismatch
from easel.models.readers import hint_of
from easel.models.readers.pose.boxes import apart, people_in
from easel.models.readers.pose.people import (
    BODY,
    FACE,
    HAND,
    Person,
    Poses,
    read_json_text,
    read_told,
    resized,
    to_json,
)
from easel.models.readers.pose.picture import COLOURS, LIMBS, render
from easel.models.readers.pose.points import points_in
from easel.models.readers.poses import found_poses
from tests.models.readers.making import readers_of, scene, write_finder, write_pointer

point = st.none() | st.tuples(st.integers(2, 60).map(float), st.integers(2, 60).map(float))


def part(count: int) -> st.SearchStrategy[Any]:
    return st.just(()) | st.lists(point, min_size=count, max_size=count).map(tuple)


people = st.lists(st.builds(Person, part(BODY), part(FACE), part(HAND), part(HAND)), max_size=3).map(tuple)
STANDING = tuple((20.0 + 3 * place, 10.0 + 4 * place) for place in range(BODY))


@settings(max_examples=40)
@given(people)
def test_json_there_and_back(found: tuple[Person, ...]) -> None:
    poses = Poses(found, 64, 80)
    assert read_json_text(json.dumps(to_json(poses))) == poses


def test_json_in_shares_of_the_canvas_is_stretched_to_it() -> None:
    told = to_json(Poses((Person(STANDING),), 100, 200))
    numbers = told["people"][0]["pose_keypoints_2d"]
    told["people"][0]["pose_keypoints_2d"] = [number / (100, 200, 1)[place % 3] for place, number in enumerate(numbers)]
    found = read_told([told])
    assert numpy.allclose(found.people[0].body, STANDING)


def test_the_newer_body_of_25_points_is_read() -> None:
    numbers = [float(number) for place in range(25) for number in (place + 2, 50, 1)]
    found = read_told({"people": [{"pose_keypoints_2d": numbers}], "canvas_width": 64, "canvas_height": 64})
    places = [point[0] - 2 for point in found.people[0].body if point]
    assert places == [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "JSON is '{', allowed is OpenPose's JSON"),
        ("[]", "allowed is OpenPose's JSON"),
        (
            '{"people": [], "canvas_width": 0, "canvas_height": 5}',
            "JSON.canvas_width is 0, allowed is 1 to 16384 pixels",
        ),
        ('{"people": [3], "canvas_width": 9, "canvas_height": 5}', r"JSON.people\[0\] is 3"),
        (
            '{"people": [{"pose_keypoints_2d": [1, 2]}], "canvas_width": 9, "canvas_height": 5}',
            r"pose_keypoints_2d is 2, allowed is 54 or 75 numbers",
        ),
        (
            '{"people": [{"hand_left_keypoints_2d": "x"}], "canvas_width": 9, "canvas_height": 5}',
            "hand_left_keypoints_2d is 'x', allowed is 63 numbers",
        ),
    ],
)
def test_what_is_no_pose_is_one_line(text: str, words: str) -> None:
    with pytest.raises(BadValue, match=words) as caught:
        read_json_text(text)
    assert "\n" not in caught.value.message


def test_joints_and_limbs_have_the_published_colours() -> None:
    spread = tuple((30.0 + 60 * (place % 6), 30.0 + 80 * (place // 6)) for place in range(BODY))
    image = render(Poses((Person(spread),), 400, 300))
    for place, colour in enumerate(COLOURS):
        assert image.getpixel(tuple(map(int, spread[place]))) == colour
    one, other = (numpy.array(spread[place]) for place in LIMBS[16])
    middle = tuple(int(side) for side in one + 0.3 * (other - one))
    assert image.getpixel(middle) == (153, 0, 102)  # of (255, 0, 170), dimmed
    assert render(Poses((Person(spread),), 400, 300), body=False).getbbox() is None


def test_a_point_that_is_missing_takes_its_limbs_along() -> None:
    whole = render(Poses((Person(STANDING),), 100, 100))
    less = render(Poses((Person((*STANDING[:4], None, *STANDING[5:])),), 100, 100))
    assert whole.tobytes() != less.tobytes()
    assert COLOURS[4] not in {colour for _, colour in less.getcolors(10_000) or []}


def test_hands_and_faces_are_drawn_where_asked() -> None:
    hand = tuple((10.0 + place, 10.0 + (place * 7) % 40) for place in range(HAND))
    face = tuple((60.0 + place % 10, 60.0 + place // 10) for place in range(FACE))
    poses = Poses((Person((), face, hand, hand),), 100, 100)
    fingers, faces = render(poses, face=False), render(poses, hands=False)
    assert fingers.getpixel((10, 10)) == (0, 0, 255) and fingers.getpixel((65, 62)) == (0, 0, 0)
    assert faces.getpixel((65, 62)) == (255, 255, 255) and faces.getpixel((10, 10)) == (0, 0, 0)
    larger = resized(poses, 200, 50)
    assert (larger.width, larger.people[0].face[0]) == (200, (120.0, 30.0))


def guesses(*found: tuple[float, float, float, float, float]) -> numpy.ndarray:
    """Return what a YOLOX of 64 pixels says for boxes (left, top, right, bottom, score), each in a cell of its own."""
    made = numpy.full((84, 85), -5.0, numpy.float32)
    made[:, 4:] = 0
    for cell, (left, top, right, bottom, score) in enumerate(found):
        made[cell, :2] = (left + right) / 2 / 8 - cell, (top + bottom) / 2 / 8  # the first row of cells of 8 pixels
        made[cell, 2:4] = numpy.log((right - left) / 8), numpy.log((bottom - top) / 8)
        made[cell, 4:6] = 1, score
    return made


def peaks(places: list[int], count: int) -> numpy.ndarray:
    """Return SimCC's answers for 133 points that peak at these places with 0.9."""
    made = numpy.zeros((133, count), numpy.float32)
    made[numpy.arange(133), places] = 0.9
    return made


BLUE = Image.new("RGB", (128, 64), (0, 0, 255))


def write_pair(models: Path, boxes: numpy.ndarray | None = None) -> None:
    """Write both networks: one person at 10..30, 8..40 of a picture of 128 pixels, points on a diagonal."""
    found = guesses((5, 4, 15, 20, 0.9), (5, 4, 15, 21, 0.8), (40, 4, 60, 24, 0.2)) if boxes is None else boxes
    write_finder(models / "annotators/yolox_l.onnx", found)
    places = [place % 72 for place in range(133)]
    write_pointer(models / "annotators/dw-ll_ucoco_384.onnx", peaks(places, 72), peaks(places, 96), (48, 36))


def test_people_are_found_once_each_where_the_network_says(tmp_path: Path) -> None:
    from easel.models.readers.onnx import open_onnx

    write_pair(tmp_path)
    finder = open_onnx(tmp_path / "annotators/yolox_l.onnx", "cpu")
    assert people_in(BLUE, finder) == pytest.approx(numpy.array([[10, 8, 30, 40]]), abs=1e-3)
    assert len(people_in(Image.new("RGB", (128, 64), (255, 0, 0)), finder)) == 0  # blue comes first in what it sees
    pointer = open_onnx(tmp_path / "annotators/dw-ll_ucoco_384.onnx", "cpu")
    places, scores = points_in(BLUE, numpy.array([10, 8, 30, 40], numpy.float32), pointer)
    assert scores == pytest.approx(numpy.full(133, 0.9)) and places[0] == pytest.approx([5, 4])
    # the box grows by a quarter to 25 x 40, and in width to 30 x 40 as what is seen is 36 x 48: two places a pixel
    assert places[10] == pytest.approx([5 + 30 * 5 / 36, 4 + 40 * 5 / 48], abs=1e-3)


def test_the_points_are_put_in_openpose_s_order(tmp_path: Path) -> None:
    write_pair(tmp_path)
    found = found_poses(BLUE, readers_of(tmp_path))
    (person,) = found.people
    step = numpy.array([30 / 72, 40 / 96])
    at = [(numpy.array(point) - (5, 4)) / step for point in person.body if point]
    assert [round(float(place[0]), 2) for place in at] == [
        0,
        5.5,
        6,
        8,
        10,
        5,
        7,
        9,
        12,
        14,
        16,
        11,
        13,
        15,
        2,
        1,
        4,
        3,
    ]
    assert (len(person.face), len(person.left_hand), len(person.right_hand)) == (70, 21, 21)
    assert person.face[68:] == (person.body[14], person.body[15])
    assert found_poses(BLUE, readers_of(tmp_path), 0.95).people[0].body == (None,) * 18


@pytest.mark.parametrize(
    "name", ["openpose", "openpose_hand", "openpose_face", "openpose_faceonly", "dw_openpose_full"]
)
def test_every_openpose_draws_its_parts(tmp_path: Path, name: str) -> None:
    write_pair(tmp_path)
    readers = readers_of(tmp_path)
    hint = hint_of(BLUE, name, readers=readers)
    poses = found_poses(BLUE, readers)
    wanted = {"openpose": "body", "openpose_hand": "body hands", "openpose_face": "body face"}
    parts = wanted.get(name, "face" if name == "openpose_faceonly" else "body hands face").split()
    assert hint.tobytes() == render(poses, **{part: part in parts for part in ("body", "hands", "face")}).tobytes()
    assert hint.size == BLUE.size and hint.getbbox()


def test_nobody_is_a_black_picture(tmp_path: Path) -> None:
    write_pair(tmp_path)
    assert hint_of(Image.new("RGB", (70, 50)), "openpose", readers=readers_of(tmp_path)).getbbox() is None


def test_files_of_another_signature_are_told(tmp_path: Path) -> None:
    write_pair(tmp_path, numpy.zeros((80, 85), numpy.float32))
    with pytest.raises(Mismatch, match=r"yolox_l.onnx: gives \(1, 80, 85\), needed is YOLOX's \(1, 84"):
        hint_of(scene(), "openpose", readers=readers_of(tmp_path))
    write_pair(tmp_path)
    write_pointer(tmp_path / "annotators/dw-ll_ucoco_384.onnx", numpy.ones((17, 4)), numpy.ones((17, 4)), (48, 36))
    with pytest.raises(Mismatch, match="needed are DWPose's columns and rows of 133 points"):
        hint_of(BLUE, "openpose", readers=readers_of(tmp_path))
    (tmp_path / "annotators/yolox_l.onnx").write_bytes(b"no network")
    with pytest.raises(Incomplete, match=r"yolox_l.onnx: cannot be opened as ONNX"):
        hint_of(BLUE, "openpose", readers=readers_of(tmp_path))


def test_of_boxes_that_overlap_the_likeliest_stays() -> None:
    boxes = numpy.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [0, 0, 10, 10]], numpy.float32)
    assert apart(boxes, numpy.array([0.5, 0.9, 0.4, 0.1], numpy.float32)) == [1, 2]
