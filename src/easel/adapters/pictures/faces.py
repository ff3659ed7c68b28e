"""Who a face is, in numbers: InsightFace's embedding, which FaceID reads, and the face cut out upright.

InsightFace is an optional package with files of its own; nothing is fetched here. Its files are free for research
only, which is for who uses them to heed. Knows pictures; knows no adapter.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from PIL import Image

from easel.adapters.pictures.opening import FIELD, Embedding, Seen
from easel.core.errors import BadValue, Incomplete, Unsupported

PACK = "buffalo_l"  # the models that FaceID was trained with
ROOT = Path.home() / ".insightface"
SIDES = (640, 448, 320, 224)  # pixels at which faces are looked for, one after the other: close ones are found small
UPRIGHT = 224  # pixels of a side of the face cut out


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face. embedding: (512,), as it comes or at length 1; picture: the face upright, None where none was given."""

    embedding: Embedding
    picture: Image.Image | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FaceReader:
    """InsightFace's analysis, with what cuts a face out by its five points."""

    analysis: Any
    cut: Any

    def read(self, image: Image.Image, *, normed: bool) -> Face:
        """Return the largest face of an RGB picture. Raises BadValue where there is none."""
        levels = numpy.ascontiguousarray(numpy.asarray(image)[:, :, ::-1])  # blue first
        for side in SIDES:
            with redirect_stdout(sys.stderr):  # it tells of its work there where answers go
                self.analysis.prepare(ctx_id=0, det_size=(side, side))
            if found := self.analysis.get(levels):
                face = max(found, key=lambda one: (one.bbox[2] - one.bbox[0]) * (one.bbox[3] - one.bbox[1]))
                upright = self.cut(levels, landmark=face.kps, image_size=UPRIGHT)[:, :, ::-1]
                numbers = face.normed_embedding if normed else face.embedding
                return Face(numpy.asarray(numbers, numpy.float32), Image.fromarray(numpy.ascontiguousarray(upright)))
        raise BadValue(FIELD, "a picture without a face", "pictures of faces for FaceID")


def load_face_reader(root: Path | None = None, *, on_card: bool = False) -> FaceReader:
    """Return InsightFace's reader with the files that stand in `root`, the home folder's .insightface without.

    Raises Unsupported without the package, Incomplete without its files: it would fetch them unasked.
    """
    root = ROOT if root is None else root
    try:
        from insightface.app import FaceAnalysis  # type: ignore[import-not-found]
        from insightface.utils import face_align  # type: ignore[import-not-found]
    except ImportError as error:
        raise Unsupported(
            f"FaceID reads faces by InsightFace, which is not here ({error}); `pip install insightface` brings it, "
            "or give each face's embedding as a .npy file in place of its picture."
        ) from None
    folder = root / "models" / PACK
    if not any(folder.glob("*.onnx")):
        raise Incomplete(f"{folder}: InsightFace's files are missing; unpack its release {PACK}.zip there.")
    providers = [*(["CUDAExecutionProvider"] if on_card else []), "CPUExecutionProvider"]
    with redirect_stdout(sys.stderr):
        analysis = FaceAnalysis(
            name=PACK, root=str(root), allowed_modules=["detection", "recognition"], providers=providers
        )
    return FaceReader(analysis, face_align.norm_crop)


def faces_of(seen: Sequence[Seen], reader: FaceReader | None, width: int, *, normed: bool) -> list[Face]:
    """Return a face for each picture or embedding. reader: needed where there are pictures. Raises BadValue.

    width: how many numbers an embedding has.
    """
    faces: list[Face] = []
    for one in seen:
        if isinstance(one, Image.Image):
            assert reader is not None, "whoever has pictures has loaded a reader"
            faces.append(reader.read(one, normed=normed))
        else:
            faces.append(Face(one / max(float(numpy.linalg.norm(one)), 1e-12) if normed else one))
        if faces[-1].embedding.shape != (width,):
            raise BadValue(FIELD, f"{faces[-1].embedding.size} numbers", f"{width} numbers of a face for this adapter")
    return faces
