"""Reading faces by InsightFace, on a package that stands in for it: its names and signatures, and coloured squares.

The stand-in "finds" squares of pure colours where it looks in small, tells of its work on standard output as the real
one does, and gives as embedding the mean blue, green and red of what it finds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageDraw

from easel.adapters.pictures.faces import PACK, UPRIGHT, faces_of, load_face_reader
from easel.core.errors import BadValue, Incomplete

APP = """
import os
import numpy

class Face(dict):
    __getattr__ = dict.__getitem__

    @property
    def normed_embedding(self):
        return self.embedding / numpy.linalg.norm(self.embedding)

class FaceAnalysis:
    def __init__(self, name="buffalo_l", root="~/.insightface", allowed_modules=None, **kwargs):
        assert os.listdir(os.path.join(root, "models", name))
        assert set(allowed_modules) == {"detection", "recognition"}
        assert kwargs["providers"][-1] == "CPUExecutionProvider"
        print("find model:", name)

    def prepare(self, ctx_id, det_thresh=0.5, det_size=(640, 640)):
        print("set det-size:", det_size)
        self.side = det_size[0]

    def get(self, img, max_num=0):
        if self.side > 448:
            return []
        found = []
        for colour in (0, 1, 2):
            rows, columns = numpy.nonzero((img[:, :, colour] == 255) & (img.sum(-1) == 255))
            if len(rows):
                box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                cut = img[box[1] : box[3], box[0] : box[2]]
                points = numpy.array([box[:2]] * 5, numpy.float32)
                found.append(Face(bbox=numpy.array(box), kps=points, embedding=cut.mean((0, 1)).astype("float32")))
        return found
"""
ALIGN = """
import numpy

def norm_crop(img, landmark, image_size=112, mode="arcface"):
    assert landmark.shape == (5, 2)
    left, top = landmark[0].astype(int)
    return numpy.broadcast_to(img[top + 2, left + 2], (image_size, image_size, 3))
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package where Python finds it; return the folder where its files would stand."""
    for name, text in {"__init__": "", "app": APP, "utils/__init__": "", "utils/face_align": ALIGN}.items():
        file = tmp_path / "packages" / "insightface" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for name in [name for name in sys.modules if name.split(".")[0] == "insightface"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    return tmp_path / "home"


def with_files(root: Path) -> Path:
    (root / "models" / PACK).mkdir(parents=True)
    (root / "models" / PACK / "det_10g.onnx").touch()
    return root


def squares(*, red: int, green: int) -> Image.Image:
    image = Image.new("RGB", (100, 60), "black")
    draw = ImageDraw.Draw(image)
    draw.rectangle((5, 5, 5 + red, 5 + red), "#ff0000")
    draw.rectangle((60, 5, 60 + green, 5 + green), "#00ff00")
    return image


def test_the_largest_face_is_read(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Looked for smaller and smaller; blue comes first there and red here; nothing is told where answers go."""
    reader = load_face_reader(with_files(installed))
    face = reader.read(squares(red=30, green=20), normed=True)
    numpy.testing.assert_allclose(face.embedding, [0, 0, 1], atol=1e-6)
    assert face.picture is not None
    assert face.picture.size == (UPRIGHT, UPRIGHT)
    assert face.picture.getpixel((9, 9)) == (255, 0, 0)
    other = reader.read(squares(red=10, green=20), normed=False)
    numpy.testing.assert_allclose(other.embedding, [0, 255, 0], atol=1e-3)
    told = capsys.readouterr()
    assert not told.out
    assert "set det-size" in told.err


def test_pictures_and_embeddings_may_stand_beside_each_other(installed: Path) -> None:
    reader = load_face_reader(with_files(installed))
    given = numpy.array([3, 0, 4], numpy.float32)
    found = faces_of([squares(red=30, green=1), given], reader, 3, normed=True)
    numpy.testing.assert_allclose(found[1].embedding, [0.6, 0, 0.8], atol=1e-6)
    assert found[0].picture is not None
    assert found[1].picture is None
    assert numpy.array_equal(faces_of([given], None, 3, normed=False)[0].embedding, given)
    with pytest.raises(BadValue, match="'3 numbers', allowed is 4 numbers"):
        faces_of([given], None, 4, normed=True)


def test_a_picture_without_a_face(installed: Path) -> None:
    reader = load_face_reader(with_files(installed))
    with pytest.raises(BadValue, match="a picture without a face"):
        reader.read(Image.new("RGB", (40, 40)), normed=True)


def test_its_files_are_not_fetched_unasked(installed: Path) -> None:
    with pytest.raises(Incomplete, match=r"models/buffalo_l: InsightFace's files are missing; unpack .*buffalo_l\.zip"):
        load_face_reader(installed)
