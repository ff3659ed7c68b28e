"""Poses of people as OpenPose draws them, found by DWPose's two networks: body, hands and face as asked."""

from __future__ import annotations

from PIL import Image

from easel.models.readers.files import Readers
from easel.models.readers.needs import KEYPOINTS, PEOPLE
from easel.models.readers.pose.boxes import people_in
from easel.models.readers.pose.people import Poses
from easel.models.readers.pose.picture import render
from easel.models.readers.pose.points import poses_of
from easel.models.readers.registry import reader

NEEDS = (PEOPLE, KEYPOINTS)
LIMITS = {"score": (0.0, 1.0)}
CONTROL = "OpenPose"
PARTS = {
    "openpose": ("body",),
    "openpose-hand": ("body", "hands"),
    "openpose-face": ("body", "face"),
    "openpose-faceonly": ("face",),
    "openpose-full": ("body", "hands", "face"),
}


@reader("openpose", label="Pose: body", control=CONTROL, needs=NEEDS, limits=LIMITS)
def openpose(image: Image.Image, readers: Readers, *, score: float = 0.3) -> Image.Image:
    """Return people's bodies; points less likely than `score` are left out."""
    return drawn("openpose", found_poses(image, readers, score))


@reader("openpose-hand", "openpose_hand", label="Pose: body and hands", control=CONTROL, needs=NEEDS, limits=LIMITS)
def openpose_hand(image: Image.Image, readers: Readers, *, score: float = 0.3) -> Image.Image:
    """Return people's bodies and hands."""
    return drawn("openpose-hand", found_poses(image, readers, score))


@reader("openpose-face", "openpose_face", label="Pose: body and face", control=CONTROL, needs=NEEDS, limits=LIMITS)
def openpose_face(image: Image.Image, readers: Readers, *, score: float = 0.3) -> Image.Image:
    """Return people's bodies and faces."""
    return drawn("openpose-face", found_poses(image, readers, score))


@reader("openpose-faceonly", "openpose_faceonly", label="Pose: face", control=CONTROL, needs=NEEDS, limits=LIMITS)
def openpose_faceonly(image: Image.Image, readers: Readers, *, score: float = 0.3) -> Image.Image:
    """Return people's faces."""
    return drawn("openpose-faceonly", found_poses(image, readers, score))


@reader(
    "openpose-full",
    "openpose_full",
    "dw_openpose_full",
    label="Pose: body, hands and face",
    control=CONTROL,
    needs=NEEDS,
    limits=LIMITS,
)
def openpose_full(image: Image.Image, readers: Readers, *, score: float = 0.3) -> Image.Image:
    """Return all of people's points."""
    return drawn("openpose-full", found_poses(image, readers, score))


def drawn(name: str, poses: Poses) -> Image.Image:
    """Return the picture that the preprocessor of this name draws of people."""
    return render(poses, **{part: part in PARTS[name] for part in ("body", "hands", "face")})


def found_poses(image: Image.Image, readers: Readers, score: float = 0.3) -> Poses:
    """Return the people in an RGB picture. Raises Unsupported where a file or onnxruntime is not there."""
    finder, pointer = [readers.program(file) for file in [readers.file(need) for need in NEEDS]]
    return poses_of(image, people_in(image, finder), pointer, score)
