"""What post-processing loads from files: upscalers, restorers of faces, detectors of faces and of other things.

Which file a name means, asked of the library without torch, and who reads it. Knows no engine and no requests.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from easel.core.errors import Mismatch, UnknownName, Unsupported
from easel.core.work import Wanted
from easel.models.library.names import Library
from easel.post.upscalers import PIXELS, names_of

if TYPE_CHECKING:
    from easel.models.accelerate import Machine

RESTORERS = {  # by the names that A1111 calls them, and where their makers keep the files
    "gfpgan": "https://github.com/TencentARC/GFPGAN/releases/download/v1.3.4/GFPGANv1.4.pth",
    "codeformer": "https://github.com/sczhou/CodeFormer/releases/download/v0.1.0/codeformer.pth",
    "restoreformer": "https://github.com/TencentARC/GFPGAN/releases/download/v1.3.4/RestoreFormer.pth",
}
LOADED = ("upscaler", "restorer", "faces", "detector")  # kinds of `Wanted` that are answered here
FINDERS = (  # how their files begin, the preferred first
    *("face_detection_yunet", "yunet", "scrfd", "det_10g", "det_2.5g", "det_500m", "detection_resnet50_final"),
    "retinaface",
)
YUNET = "opencv/face_detection_yunet/face_detection_yunet_2023mar.onnx"
GET_FINDER = f"`easel models download {YUNET} --kind detector` brings one to the folder detectors of your models"
PACKAGE = "haar"  # what the detector of faces is called that comes with a package
GET_PACKAGE = "`pip install 'easel[faces]'` a package that has one"


def file_of(wanted: Wanted, library: Library) -> Path:
    """Return the file of something wanted of a kind in LOADED. Raises UnknownName, BadValue or Unsupported."""
    match wanted.kind:
        case "upscaler":
            return upscaler_file(wanted.name, library)
        case "restorer":
            return restorer_file(wanted.name, library)
        case "detector":
            return readable(library.find_file("detector", wanted.name))
        case _:
            return finder_file(wanted.name, library)


def load(wanted: Wanted, path: Path, machine: Machine) -> Any:
    """Return what is in a file: an Enlarger, a Restorer, a Finder of faces or a Detector.

    Raises ModelError or ResourceError.
    """
    match wanted.kind:
        case "upscaler":
            from easel.post.upscale import load_upscaler

            return load_upscaler(path, machine)
        case "restorer":
            from easel.post.restorers import load_restorer

            return load_restorer(path, machine)
        case "detector":
            from easel.post.yolo import load_detector

            return load_detector(path)
        case _:
            from easel.post.finding import load_finder

            return load_finder(path)


def readable(detector: Path) -> Path:
    """Return a detector's file. Raises Mismatch for one of PyTorch's, with what makes an ONNX file of it."""
    if detector.suffix.casefold() == ".pt":
        how = f"`yolo export model={detector.name} format=onnx` of the package ultralytics makes one"
        raise Mismatch(f"{detector}: detectors are read as ONNX files; {how}.")
    return detector


def upscaler_file(name: str, library: Library) -> Path:
    """Return the file of an upscaler. Raises UnknownName with the nearest of all upscalers, the registry's too."""
    try:
        return library.find_file("upscaler", name)
    except UnknownName as error:
        known = names_of(library, PIXELS)
        raise UnknownName("upscaler", name, known, listing="`easel models upscalers`") from error


def restorer_file(name: str, library: Library) -> Path:
    """Return the file of a restorer of faces; a build's name means the last of its files. Raises UnknownName."""
    try:
        return library.find_file("face_restorer", name)
    except UnknownName as error:
        files = library.places("face_restorer")
        alike = [one for one in files if one.rpartition("/")[2].casefold().startswith(name.casefold())]
        if name.casefold() in RESTORERS and alike:
            return files[max(alike, key=str.casefold)]
        if name.casefold() in RESTORERS:
            how = f"`easel models download {RESTORERS[name.casefold()]} --kind face_restorer` brings it"
            raise Unsupported(f"{name} needs its file in the folder face_restorers of your models; {how}.") from error
        raise


def finder_file(name: str, library: Library) -> Path:
    """Return the file of a detector of faces: the one of this name; "haar" is the one that a package brings.

    With "" the first that is called like one, and the package's where there is none. Raises UnknownName or Unsupported.
    """
    if name and name.casefold() != PACKAGE:
        return library.find_file("detector", name)
    from easel.post.haar import cascade_file

    for known in FINDERS if not name else ():
        for kind in ("detector", "face_restorer"):  # in whose folders A1111 keeps one
            for place in library.places(kind).values():
                if place.name.casefold().startswith(known):
                    return place
    if (found := cascade_file()) is not None:
        return found
    raise Unsupported(f"finding faces needs a detector's file; {GET_FINDER}, or {GET_PACKAGE}.")
