"""Faces without a file to fetch: what the cascades of a package find in painted faces, and who uses it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageOps

from easel.core.client import Done, EngineClient
from easel.core.detail import Detail
from easel.core.errors import Incomplete, ResourceError, UnknownName, Unsupported
from easel.core.finishing import Faces
from easel.core.pictures import Start
from easel.core.request import Request
from easel.core.settings import read_settings
from easel.core.work import Wanted
from easel.engine.local import LocalClient
from easel.engine.shelf import Shelf
from easel.media.reading import png_bytes
from easel.models.library.names import Library
from easel.post.alignment import TEMPLATE, upright
from easel.post.faces import restore
from easel.post.finding import Finder, faces_in, load_finder
from easel.post.found import Box, shared
from easel.post.haar import EYE, FACE, are_eyes, cascade_file, landmarks, usual_eyes
from tests.post import painted
from tests.post.onnxfiles import write_yunet
from tests.post.performing import performed
from tests.post.restorerfiles import codeformer
from tests.post.upscalerfiles import write


@pytest.fixture(scope="module")
def finder() -> Finder:
    """Return the package's detector."""
    file = cascade_file()
    assert file is not None, "the extra `faces` is installed for tests"
    return load_finder(file)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """Return a shelf over an empty models folder."""
    settings = read_settings(models=tmp_path, device="cpu", precision="float32")
    return Shelf(Library(settings), settings)


def head(left: int, top: int, side: int) -> Box:
    """Return what a face should be found as that was painted there."""
    x0, y0, x1, y1 = (round(value * side) for value in painted.HEAD)
    return left + x0, top + y0, left + x1, top + y1


@pytest.mark.parametrize(("size", "place"), [((256, 192), (60, 20, 150)), ((120, 120), (0, 0, 120))])
def test_a_face_is_found_where_it_is_with_its_eyes(
    size: tuple[int, int], place: tuple[int, int, int], finder: Finder
) -> None:
    (found,) = faces_in(painted.scene(size, place), finder)
    assert shared(found.box, head(*place)) > 0.75
    assert 0.9 < found.score <= 1
    left, top, side = place
    for point, (x, y) in zip(found.points[:2], painted.EYES, strict=True):
        assert numpy.hypot(point[0] - left - x * side, point[1] - top - y * side) < 0.03 * side
    mouth = numpy.mean(found.points[3:], 0)
    assert numpy.hypot(mouth[0] - left - 0.5 * side, mouth[1] - top - 0.785 * side) < 0.08 * side


def test_two_faces_side_by_side_are_two_from_left_to_right(finder: Finder) -> None:
    places = (10, 20, 130), (170, 60, 90)
    found = faces_in(painted.scene((300, 180), *places), finder)
    assert len(found) == 2
    for one, place in zip(found, places, strict=True):
        assert shared(one.box, head(*place)) > 0.7


def test_eyes_tell_how_a_face_is_turned(finder: Finder) -> None:
    turned = painted.scene((240, 240), (45, 45, 150)).rotate(10, Image.Resampling.BICUBIC, fillcolor=painted.BEHIND)
    (found,) = faces_in(turned, finder)
    (one, other) = found.points[:2]
    assert numpy.degrees(numpy.arctan2(one[1] - other[1], other[0] - one[0])) == pytest.approx(10, abs=2.5)


def test_what_is_no_face_is_none(finder: Finder) -> None:
    noise = numpy.random.default_rng(0).integers(0, 256, (192, 192, 3), numpy.uint8)
    pictures = [painted.sticker(), Image.fromarray(noise), Image.new("RGB", (64, 64), "white")]
    pictures.append(ImageOps.flip(painted.scene((200, 200), (20, 20, 150))))
    assert [faces_in(image, finder) for image in pictures] == [[], [], [], []]


def test_the_same_picture_gives_the_same_and_doubt_can_be_let_in(finder: Finder) -> None:
    faint = Image.blend(painted.scene((160, 160), (10, 10, 140)), Image.new("RGB", (160, 160), painted.BEHIND), 0.9)
    assert [faces_in(faint, finder, least=0.1) for _ in range(3)] == [faces_in(faint, finder, least=0.1)] * 3
    noise = Image.fromarray(numpy.random.default_rng(2).integers(0, 256, (192, 192, 3), numpy.uint8))
    doubtful = faces_in(noise, finder, least=0.01)
    assert doubtful
    assert all(0.01 <= one.score < 0.5 for one in doubtful)


def test_landmarks_are_the_templates_for_any_eyes() -> None:
    eyes = (40.0, 60.0), (100.0, 75.0)
    points = landmarks(eyes)
    assert numpy.allclose(points[:2], eyes)
    assert numpy.allclose([upright(points).at(point) for point in points], TEMPLATE, atol=1e-6)
    usual = usual_eyes((100, 50, 200, 150))
    assert usual == ((129.0, 88.0), (171.0, 88.0))
    assert are_eyes(*usual_eyes((0, 0, 1, 1)))
    assert not are_eyes((0.4, 0.4), (0.55, 0.4))
    assert not are_eyes((0.3, 0.2), (0.7, 0.5))


def test_it_is_taken_where_no_file_stands_and_by_its_name(shelf: Shelf, tmp_path: Path) -> None:
    for name in ("", "haar", "Haar"):
        shelf.check(Wanted("faces", name))
        assert shelf.load(Wanted("faces", name)).words == "Haar cascades"
    assert shelf.load(Wanted("faces", "")) is shelf.load(Wanted("faces", "haar"))
    with pytest.raises(UnknownName, match="detector 'Hair' is not known"):
        shelf.check(Wanted("faces", "Hair"))
    (tmp_path / "detectors").mkdir()
    write_yunet(tmp_path / "detectors" / "yunet.onnx")
    fresh = Shelf(Library(read_settings(models=tmp_path)), read_settings(models=tmp_path))
    assert [fresh.load(Wanted("faces", name)).words for name in ("", "haar")] == ["YuNet", "Haar cascades"]


def test_without_the_package_both_ways_are_told(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = cascade_file()
    assert file is not None
    monkeypatch.setitem(sys.modules, "cv2", None)
    both = r"needs a detector's file; `easel models download opencv/.*, or `pip install 'easel\[faces\]'`"
    for name in ("", "haar"):
        with pytest.raises(Unsupported, match=both):
            shelf.check(Wanted("faces", name))
    with pytest.raises(ResourceError, match=r"needs OpenCV; `pip install 'easel\[faces\]'` brings it"):
        load_finder(file)
    monkeypatch.undo()
    (tmp_path / FACE).write_bytes(file.read_bytes())
    for content in (None, b"no cascade", file.with_name(EYE).read_bytes()[:5000]):
        if content is not None:
            (tmp_path / EYE).write_bytes(content)
        with pytest.raises(Incomplete, match=rf"{EYE}: is no cascade that can be read"):
            load_finder(tmp_path / FACE)


def test_faces_are_restored_by_it(shelf: Shelf, tmp_path: Path) -> None:
    write(tmp_path / "face_restorers" / "codeformer.pth", codeformer().state_dict(), "params_ema")
    place = 60, 30, 130
    image = painted.scene((256, 192), place)
    (found,), _ = performed(restore(Faces(restorer="CodeFormer"), [image]), shelf.load)
    differ = (numpy.asarray(found) != numpy.asarray(image)).any(2)
    left, top, right, bottom = head(*place)
    assert differ[top + 20 : bottom - 20, left + 20 : right - 20].mean() > 0.9
    assert not differ[:, :20].any()
    assert not differ[:, -20:].any()


@pytest.fixture
def client(tiny_folder: Path, tmp_path: Path) -> Iterator[EngineClient]:
    """Return an engine whose models folder has a model and no detector."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny").symlink_to(tiny_folder)
    settings = read_settings(models=tmp_path / "models", device="cpu", precision="float32")
    opened = LocalClient(Shelf(Library(settings), settings))
    yield opened
    opened.close()


def test_details_find_faces_by_it(client: EngineClient) -> None:
    places = (8, 30, 96), (150, 20, 90)
    image = painted.scene((256, 144), *places)
    request = Request(
        recipe="detail",
        model="tiny",
        prompt="a",
        steps=2,
        seed=1,
        width=64,
        height=64,
        start=Start(image=png_bytes(image)),
        details=(Detail(by="faces", order="left to right", padding=0, blur=0.0, grow=0, strength=0.9),),
    )
    ending = list(client.events(client.submit(request)))[-1]
    assert isinstance(ending, Done), ending
    differ = (numpy.asarray(ending.result.pictures[0].image) != numpy.asarray(image)).any(2)
    for place in places:
        left, top, right, bottom = head(*place)
        assert differ[top + 12 : bottom - 12, left + 12 : right - 12].mean() > 0.9
        differ[max(top - 12, 0) : bottom + 12, max(left - 12, 0) : right + 12] = False
    assert not differ.any()
